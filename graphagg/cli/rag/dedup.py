"""`graphagg dedup`: documents without near duplicates."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from graphagg.cli.builds.passages import Columns
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson, progress_report, show
from graphagg.cli.request import PassageFile
from graphagg.rag.config.corpus import DedupConfig


@command
def dedup(
    documents: PassageFile,
    *,
    config: Annotated[DedupConfig, "What counts as a near duplicate"],
    columns: Columns,
    out_file: Annotated[Path, Parameter("--out")],
    dropped: Path | None = None,
    as_json: AsJson = False,
) -> None:
    """Leave out near duplicates: of texts that share most shingles, the longest stays.

    Example: graphagg dedup passages.jsonl --threshold .8 --out kept.jsonl

    Example: graphagg dedup articles/ --out kept.jsonl --dropped dropped.jsonl

    Options:
        out_file: file for the kept texts: .jsonl.
        dropped: JSON lines of dropped texts, each with the text that is kept.
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
