"""Rows of a SQL query: equal to a table of the same rows; a real PostgreSQL in `test_postgres`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from graphagg.errors import InvalidParameter, InvalidPassage, UnreadableFile
from graphagg.rag import RowConfig, read_passages
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


def test_an_index_follows_a_query(
    database: str, tmp_path: Path, call: Callable[..., Answer]
) -> None:
    index, columns = tmp_path / "idx", ("--text-column", "body", "--query", QUERY)
    assert call("rag", "index", database, *columns, "--out", index).code == 0
    change(database, "update tickets set body = 'The valve leaks.', updated = 'x' where id = 2")
    change(database, "insert into tickets values (3, 'Seal', 'The seal holds.', '2026-02-01', 1)")
    change(database, "delete from tickets where id = 1")
    said = call("rag", "sync", index, database, *columns, "--yes", "--json").json
    assert (said["added"], said["replaced"], said["removed"]) == (1, 1, 1)
    assert "records no source folder" in call("rag", "sync", index).error


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
