"""`graphagg dedup`: documents without near duplicates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graphagg.cli.corpus import RowColumns
from graphagg.cli.options import panel
from graphagg.cli.output.console import AsJson, progress_report, show
from graphagg.rag.config.corpus import DedupConfig
from graphagg.rag.documents.rows import RowConfig


def dedup(
    documents: Path,
    /,
    *,
    config: Annotated[DedupConfig, panel("What counts as a near duplicate")] = DedupConfig(),
    columns: RowColumns = RowConfig(),
    out_file: Annotated[Path, Parameter("--out")],
    dropped: Path | None = None,
    as_json: AsJson = False,
) -> None:
    """Remove near duplicates: of texts that share most shingles, the longest stays.

    Example: graphagg dedup passages.jsonl --threshold 0.8 --out kept.jsonl

    Example: graphagg dedup articles/ --out kept.jsonl --dropped dropped.jsonl

    Args:
        documents: a folder of documents, JSONL (.gz) or Parquet.
        out_file: file for the kept texts, .jsonl.
        dropped: file for the dropped texts, JSON lines, each with the text that replaces it.
    """
    from graphagg.rag.corpus.dedup import dedup as dedup_files

    with progress_report() as progress:
        report = dedup_files(
            documents, out_file, config, columns=columns, dropped=dropped, progress=progress
        )
    text = (
        f"{report.texts:,} texts, {report.kept:,} kept in {out_file}: {report.equal:,} equal and "
        f"{report.near:,} near duplicates left out"
    )
    show(asdict(report), text, as_json)
