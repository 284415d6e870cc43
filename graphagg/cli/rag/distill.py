"""`graphagg rag distill`: make the table of a static encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from graphagg.cli.output.console import AsJson, out, print_json, progress_report
from graphagg.errors import WriteFailed
from graphagg.rag.models.weights import DEFAULT_ENCODER

EPILOG = (
    "Example: graphagg rag distill --out table.npz\n\n"
    "Then: graphagg rag index passages.jsonl.gz --out idx --profile fast --encoder table.npz"
)


def distill(
    to: Annotated[Path, typer.Option("--out", help="Where the table goes, a file .npz.")],
    model: Annotated[
        str, typer.Option("--encoder", help="Name or path of a sentence-transformers model.")
    ] = DEFAULT_ENCODER,
    dimension: Annotated[int, typer.Option(help="Length of a vector, at most.", min=1)] = 256,
    device: Annotated[
        str | None, typer.Option(help="Where the model runs.", show_default="a GPU if there is any")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make the table of a static encoder out of a model, for indexes that need no PyTorch."""
    from graphagg.rag.models.static.distill import distill as make

    with progress_report() as report:
        table = make(model, dimension, device, report)
    try:
        table.save(to)
    except OSError as error:
        raise WriteFailed(
            f"{to}: cannot be written ({error.strerror}); make room, or give another"
        ) from None
    size = to.stat().st_size
    tokens, length = table.codes.shape
    if as_json:
        made = {"tokens": tokens, "dimension": length, "bytes": size, "sha256": table.sha256}
        print_json({"table": str(to), **made})
        return
    out.print(f"{to}: {tokens:,} tokens, {length} numbers each, {size:,} bytes", markup=False)


COMMANDS = {"distill": (distill, EPILOG)}
