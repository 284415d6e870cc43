"""Results as tables of PyArrow and pandas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphagg.errors import MissingExtra

if TYPE_CHECKING:
    import pyarrow
    from pandas import DataFrame  # type: ignore[import-untyped]  # it ships no types


def ids_column(ids: Sequence[int | str], like: Sequence[int | str] = ()) -> pyarrow.Array:
    """Vertex ids as int64 or strings, as they are; where there are none, of the type of `like`."""
    import pyarrow as pa

    examples = [*ids[:1], *like[:1]]
    if not examples:
        return pa.nulls(0)
    return pa.array(ids, pa.string() if isinstance(examples[0], str) else pa.int64())


def ranks_column(count: int) -> pyarrow.Array:
    """1 to `count`."""
    import pyarrow as pa

    return pa.array(range(1, count + 1), pa.int64())


def to_pandas(table: pyarrow.Table) -> DataFrame:
    """The same table in pandas; raises `MissingExtra` where pandas is not installed."""
    try:
        import pandas  # noqa: F401  # pyarrow would fail with a message of its own
    except ImportError:
        raise MissingExtra("pandas", None) from None
    frame: Any = table.to_pandas()
    return frame
