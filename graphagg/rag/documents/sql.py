"""Rows of a SQL query as passages, by SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from uuid import UUID

from graphagg.errors import InvalidParameter, UnreadableFile, needs
from graphagg.rag.documents.reading.document import plain_value

_BUFFERED = 1000  # rows that are held at a time
_OPTIONS = {"yield_per": _BUFFERED, "no_parameters": True}  # a % in a query is no placeholder
_BOUND = re.compile(r":(?=\w)")  # SQLAlchemy takes it for a parameter


@contextmanager
def _connected(url: str) -> Iterator[tuple[Any, Any, str]]:
    """SQLAlchemy, a connection to a database, and its address without the password."""
    with needs("sqlalchemy", "sources"):
        import sqlalchemy as sql
    try:
        engine = sql.create_engine(url)
    except (sql.exc.SQLAlchemyError, ImportError) as error:
        raise InvalidParameter(
            f"the address of a database cannot be used ({_line(error)}); wanted such as "
            "postgresql+psycopg://host/database, with its driver installed"
        ) from None
    place = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            yield sql, connection, place
    except sql.exc.SQLAlchemyError as error:
        raise UnreadableFile(f"{place}: {_line(error)}; check the query and the database") from None
    finally:
        engine.dispose()


def sql_rows(url: str, query: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Read the rows of a query, one by one, and the name of each for messages.

    `url` is one of SQLAlchemy. The transaction is rolled back: a query that writes changes nothing.
    Raises `MissingExtra`, `InvalidParameter` for the URL, or `UnreadableFile`.
    """
    with _connected(url) as (_, connection, place):
        rows = connection.execution_options(**_OPTIONS).exec_driver_sql(query)
        for number, row in enumerate(rows.mappings()):
            yield _record(row), f"{place}: row {number}"


def changed_rows(
    url: str, query: str, key: str, updated: str, known: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any] | str, str]]:
    """Read the rows of a query that changed; for the others yield the id, as a string.

    A row did not change if `known` has the value of its column `updated` under its id, the column
    `key`. Both are read of all rows, in the same transaction. Raises the errors of `sql_rows`.
    """
    with _connected(url) as (sql, connection, place):
        plain = _BOUND.sub(r"\\:", query.strip().rstrip(";"))
        rows, changed = sql.text(f"({plain}) as rows_of_query"), []
        column, stamps = sql.column(key), sql.select(sql.column(key), sql.column(updated))
        for name, moment in connection.execute(stamps.select_from(rows)):
            stamp = plain_value(_plain(moment))
            if stamp is not None and known.get(str(name)) == stamp:
                yield str(name), f"{place}: row {name}"
            else:
                changed.append(name)
        every = sql.select(sql.literal_column("*")).select_from(rows)
        for start in range(0, len(changed), _BUFFERED):
            some = every.where(column.in_(changed[start : start + _BUFFERED]))
            for row in connection.execute(some).mappings():
                yield _record(row), f"{place}: row {row[key]}"


def _record(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {str(name): _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    """A value of a database as one of a table; dates and lists are read later."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, UUID) else value


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
