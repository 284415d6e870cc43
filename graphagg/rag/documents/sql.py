"""Rows of a SQL query as passages, by SQLAlchemy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from graphagg.errors import InvalidParameter, UnreadableFile, needs

# Rows that are held at a time; and a % in a query is no placeholder.
_OPTIONS = {"yield_per": 1000, "no_parameters": True}


def sql_rows(url: str, query: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Read the rows of a query, one by one, and the name of each for messages.

    `url` is one of SQLAlchemy. The transaction is rolled back: a query that writes changes nothing.
    Raises `MissingExtra`, `InvalidParameter` for the URL, or `UnreadableFile`.
    """
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
            rows = connection.execution_options(**_OPTIONS).exec_driver_sql(query)
            for number, row in enumerate(rows.mappings()):
                record = {str(name): _plain(value) for name, value in row.items()}
                yield record, f"{place}: row {number}"
    except sql.exc.SQLAlchemyError as error:
        raise UnreadableFile(f"{place}: {_line(error)}; check the query and the database") from None
    finally:
        engine.dispose()


def _plain(value: Any) -> Any:
    """A value of a database as one of a table; dates and lists are read later."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return str(value) if isinstance(value, UUID) else value


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]
