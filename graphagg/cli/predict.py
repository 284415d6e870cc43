"""`graphagg predict`: the predictions of a trained model, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.types import PositiveInt

from graphagg.cli.output.console import AsJson, out, print_json, resources, resources_text
from graphagg.errors import InvalidParameter
from graphagg.tables import table_writers

if TYPE_CHECKING:
    import pyarrow
    from torch_geometric.data import Data

    from graphagg.arrays import Array
    from graphagg.nn.training import Predictor

_CLASSES = ("accuracy", "f1")


def predict(
    run: Path,
    /,
    *,
    data: str,
    out_file: Annotated[Path, Parameter("--out")] = Path("predictions.parquet"),
    split: int | None = None,
    device: str = "auto",
    batch_size: PositiveInt | None = None,
    as_json: AsJson = False,
) -> None:
    """Predict with a trained model; its encodings are computed as in the training.

    Example: graphagg predict runs/rings --data rings.safetensors --out predictions.parquet

    Args:
        run: the folder that graphagg train wrote.
        data: a .safetensors file of graphs, without or with labels.
        out_file: the .parquet or .csv file to write.
        split: split whose model to load; the best by validation by default.
        device: auto, cpu, cuda, cuda:1, ...
        batch_size: graphs per step; the training's by default.
    """
    if out_file.suffix not in (".parquet", ".csv"):
        raise InvalidParameter(
            f"--out is {str(out_file)!r}; wanted a name that ends in .parquet or .csv"
        )
    from graphagg.nn.files import write_whole
    from graphagg.nn.training import load_data, load_model

    predictor = load_model(run, split, device=device)
    graphs = list(load_data(data).graphs)
    predictions = predictor.predict(graphs, batch_size=batch_size)
    table = _table(predictor, graphs, predictions, flat=out_file.suffix == ".csv")
    write_whole(out_file, table_writers(lambda: table)[out_file.suffix])
    if as_json:
        rows = {"graphs": len(graphs), "rows": table.num_rows, "split": predictor.split}
        print_json({"out": str(out_file), **rows, **resources()})
        return
    columns = ", ".join(table.column_names)
    out.print(
        f"{out_file}: {table.num_rows:,} rows of {len(graphs):,} graphs ({columns}), by the model "
        f"of split {predictor.split}; {resources_text()}",
        markup=False,
    )


def _table(
    predictor: Predictor, graphs: list[Data], predictions: Array, *, flat: bool
) -> pyarrow.Table:
    """One row per prediction: graph, vertex or pair, class if any, outputs (`flat`: in columns)."""
    import pyarrow as pa

    rows = predictions.reshape(len(predictions), -1)
    columns: dict[str, Any] = _about(predictor.model.config.head.task, graphs)
    if predictor.metric in _CLASSES:
        columns["class"] = rows.argmax(axis=1)
    if flat:
        return pa.table(columns | {f"output_{i}": column for i, column in enumerate(rows.T)})
    values = pa.array(rows.ravel())
    columns["outputs"] = pa.FixedSizeListArray.from_arrays(values, rows.shape[1])
    return pa.table(columns)


def _about(task: str, graphs: list[Data]) -> dict[str, Array]:
    """Columns `graph`, and `vertex`, or `source` and `target`."""
    import numpy as np

    if task == "graph":
        return {"graph": np.arange(len(graphs))}
    if task == "node":
        sizes = [int(graph.num_nodes or 0) for graph in graphs]
        names = {"vertex": np.concatenate([np.arange(size) for size in sizes])}
    else:
        pairs = [graph.edge_label_index.numpy() for graph in graphs]
        sizes = [pair.shape[1] for pair in pairs]
        names = dict(zip(("source", "target"), np.concatenate(pairs, axis=1), strict=True))
    return {"graph": np.repeat(np.arange(len(graphs)), sizes), **names}
