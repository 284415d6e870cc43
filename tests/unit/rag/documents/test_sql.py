"""Rows of a SQL query: equal to a table of the same rows; a real PostgreSQL in `test_postgres`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter, InvalidPassage, UnreadableFile
from graphagg.rag import PassageIndex, RowConfig, chunk_documents, read_passages
from tests.unit.commands import Answer

ROWS = [
    (1, "Pump", "The pump P-7 stands in Oslo.", "2026-01-02", 3),
    (2, "Valve", "The valve of P-7 is changed every year.", "2026-01-03", None),
]


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = tmp_path / "tickets.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "create table tickets (id int primary key, title text, body text, updated text, n int)"
        )
        connection.executemany("insert into tickets values (?, ?, ?, ?, ?)", ROWS)
    return f"sqlite:///{path}"


def change(database: str, statement: str) -> None:
    with closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as connection, connection:
        connection.execute(statement)


QUERY = "select * from tickets order by id"


def test_rows_of_a_query_are_those_of_a_table(database: str, tmp_path: Path) -> None:
    lines = [",".join(map(str, ("" if v is None else v for v in row))) for row in ROWS]
    (tmp_path / "t.csv").write_text("\n".join(["id,title,body,updated,n", *lines]) + "\n")
    (of_query, of_table) = (
        [(p.id, p.title, p.text, p.metadata["updated"], p.metadata.get("n") or None) for p in read]
        for read in (
            read_passages(database, RowConfig(text_column="body", query=QUERY)),
            read_passages(tmp_path / "t.csv", RowConfig(text_column="body")),
        )
    )
    assert of_query == of_table and len(of_query) == 2


@pytest.mark.parametrize("more", [(), ("--updated-column", "updated")])
def test_an_index_follows_a_query(
    database: str, tmp_path: Path, call: Callable[..., Answer], more: tuple[str, ...]
) -> None:
    index, columns = tmp_path / "idx", ("--text-column", "body", "--query", QUERY, *more)
    assert call("rag", "index", database, *columns, "--out", index).code == 0
    change(database, "update tickets set body = 'The valve leaks.', updated = 'x' where id = 2")
    change(database, "insert into tickets values (3, 'Seal', 'The seal holds.', '2026-02-01', 1)")
    change(database, "delete from tickets where id = 1")
    said = call("rag", "sync", index, database, *columns, "--yes", "--json").json
    assert (said["added"], said["replaced"], said["removed"]) == (1, 1, 1)
    assert "records no source folder" in call("rag", "sync", index).error


CHANGES = st.lists(
    st.tuples(st.integers(1, 6), st.sampled_from(["set", "touch", "delete", "null"])), max_size=5
)


@settings(deadline=None, max_examples=8)
@given(st.lists(CHANGES, min_size=1, max_size=3))
def test_changes_by_a_column_equal_a_rebuild(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[int, str]]]
) -> None:
    folder = tmp_path_factory.mktemp("sql")
    url = f"sqlite:///{folder}/rows.db"
    query = "select id, body, updated from rows where body like '%:pump%' or '%' = ':x';"
    columns = RowConfig(text_column="body", query=query, updated_column="updated")
    statements = {
        "set": "insert or replace into rows values ({0}, 'The :pump {1} hums. ' || {2}, {1})",
        "touch": "update rows set updated = {1} where id = {0}",
        "delete": "delete from rows where id = {0} and id > 1",
        "null": "update rows set body = 'A :pump {1}.', updated = null where id = {0}",
    }
    change(url, "create table rows (id integer primary key, body text, updated int)")
    for i in range(1, 5):
        change(url, statements["set"].format(i, -i, f"'{'Long words of it. ' * 60 * (i == 3)}'"))
    index = PassageIndex.build(read_passages(url, columns), folder / "idx", profile="fast")
    for number, changes in enumerate(rounds):
        for step, (i, kind) in enumerate(changes):
            change(url, statements[kind].format(i, 10 * number + step, "'x'"))
        index.sync(read_passages(url, columns, index))
        wanted = {p.id: p for p in chunk_documents(read_passages(url, columns))}
        assert {p.id: p for p in index} == wanted
    change(url, "update rows set body = ':pump of nobody', updated = 99 where id = 1")
    change(url, "update rows set body = ':pump of nobody' where id = 2 and updated is not null")
    texts = {p.id: p.text for p in read_passages(url, columns, index)}
    assert texts["1"] == ":pump of nobody"  # the others are not read
    assert all(texts[p.id] == p.text for p in index if p.id == "2" and p.metadata["updated"])


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ("select * from absent", UnreadableFile, "no such table"),
        ("select id from tickets", InvalidPassage, "wanted also .*body"),
        ("select id, null as body from tickets", InvalidPassage, "has text missing"),
    ],
)
def test_queries_that_do_not_fit(database: str, query: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        list(read_passages(database, RowConfig(text_column="body", query=query)))


def test_a_query_changes_nothing(database: str) -> None:
    query = "delete from tickets returning id, body as text"
    assert len(list(read_passages(database, RowConfig(query=query)))) == 2
    assert len(list(read_passages(database, RowConfig(text_column="body", query=QUERY)))) == 2


def test_addresses_that_are_none_show_no_password(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match="wanted such as"):
        list(read_passages("nothing://me:secret@host/db", RowConfig(query=QUERY)))
    with pytest.raises(UnreadableFile) as caught:
        list(read_passages(f"sqlite:///{tmp_path}/no/such.db", RowConfig(query=QUERY)))
    assert "secret" not in str(caught.value)
