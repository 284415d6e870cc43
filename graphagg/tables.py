"""PyArrow tables: read them in batches, and write results in the format of a file's suffix."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg.errors import InvalidParameter, WriteFailed, needs

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet
    from pandas import DataFrame  # type: ignore[import-untyped]  # it ships no types

Writer = Callable[[Path], None]


def parquet_batches(
    file: pyarrow.parquet.ParquetFile, rows: int, columns: Sequence[str] | None = None
) -> Iterator[pyarrow.RecordBatch]:
    """Read batches of a Parquet file, with one row group in memory at a time."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(rows, [group], columns)


def ids_column(ids: Sequence[int | str], like: Sequence[int | str] = ()) -> pyarrow.Array:
    """Return a column of vertex ids, int64 or strings; `like` sets the type if `ids` is empty."""
    import pyarrow as pa

    examples = [*ids[:1], *like[:1]]
    if not examples:
        return pa.nulls(0)
    return pa.array(ids, pa.string() if isinstance(examples[0], str) else pa.int64())


def ranks_column(count: int) -> pyarrow.Array:
    """Return the ranks 1 to `count` as a column of a table."""
    import pyarrow as pa

    return pa.array(range(1, count + 1), pa.int64())


def save(target: str | os.PathLike[str], writers: Mapping[str, Writer]) -> None:
    """Write a file atomically in the format of its suffix; reject unknown suffixes."""
    path = Path(target)
    writer = writers.get(path.suffix.casefold())
    if writer is None:
        suffixes = ", ".join(writers)
        raise InvalidParameter(f"{path}: suffix {path.suffix!r}, expected one of {suffixes}")
    # The suffix must stay at the end: some libraries use it to choose the format.
    partial = path.with_name(f".part-{path.name}")
    try:
        writer(partial)
        os.replace(partial, path)
    except OSError as error:
        raise WriteFailed(
            f"{path}: could not be written ({error.strerror or error}); check the folder"
        ) from None
    finally:
        partial.unlink(missing_ok=True)


class Tabular(ABC):
    """Base of results that can be returned as a table."""

    @abstractmethod
    def to_arrow(self) -> pyarrow.Table:
        """Return the results as a PyArrow table."""

    def to_pandas(self) -> DataFrame:
        """Return the results as a DataFrame; raises `MissingExtra` if pandas is not installed."""
        with needs("pandas", None):
            import pandas  # noqa: F401  # otherwise pyarrow fails with a different message
        frame: Any = self.to_arrow().to_pandas()
        return frame


class Exportable(Tabular):
    """Base of results that can be saved as a table, as JSON, or as a graph if they have one."""

    @abstractmethod
    def to_json(self) -> Any:
        """Return the results as plain JSON values."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the table (.csv, .parquet), .json, or the graph if it has one (.graphml, .gexf).

        Raises:
            InvalidParameter: the suffix is not supported.
            WriteFailed: the file cannot be written.
        """

        def write_json(target: Path) -> None:
            text = json.dumps(self.to_json(), indent=1, ensure_ascii=False) + "\n"
            target.write_text(text, encoding="utf-8")

        writers = table_writers(self.to_arrow) | {".json": write_json}
        if (graph := getattr(self, "to_networkx", None)) is not None:
            writers[".graphml"] = lambda target: networkx_module().write_graphml(graph(), target)
            writers[".gexf"] = lambda target: networkx_module().write_gexf(graph(), target)
        save(path, writers)


def table_writers(table: Callable[[], pyarrow.Table]) -> dict[str, Writer]:
    """Return writers for a table of plain columns: CSV with a header, and Parquet."""

    def write_csv(path: Path) -> None:
        from pyarrow import csv

        options = csv.WriteOptions(quoting_style="needed")
        csv.write_csv(table(), path, write_options=options)

    def write_parquet(path: Path) -> None:
        from pyarrow import parquet

        parquet.write_table(table(), path)

    return {".csv": write_csv, ".parquet": write_parquet}


def networkx_module() -> Any:
    """Import networkx; raises `MissingExtra` if it is not installed."""
    with needs("networkx", "communities"):
        import networkx
    return networkx
