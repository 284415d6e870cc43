"""`graphagg rag tune`: fit the weights of the mode best to labeled questions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.output.console import AsJson, out, print_json, progress_report
from graphagg.cli.output.passages import print_tuning
from graphagg.cli.rag.options import Directory
from graphagg.errors import InvalidParameter

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex

EPILOG = (
    "Example: graphagg rag tune idx questions.jsonl --dry-run\n\n"
    "Example: graphagg rag tune idx --reset"
)


def tune(
    directory: Directory,
    questions: Annotated[
        Path | None, typer.Argument(help="JSONL, JSON, CSV, Parquet, with gold ids; 30 or more.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Go back to the default weights.")] = False,
    random_state: Annotated[
        int, typer.Option(help="Seed of the folds and of the bootstrap intervals.", min=0)
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Fit the weights of best to your questions, and keep them if the gain is beyond chance.

    The gain is measured on questions that the fit did not see (five folds).
    """
    from graphagg.rag import PassageIndex

    if reset == (questions is not None) or (reset and dry_run):
        raise InvalidParameter("give a file of questions (with or without --dry-run), or --reset")
    with PassageIndex.open(directory) as index:
        if questions is None:
            _reset(index, as_json)
        else:
            _tune(index, questions, dry_run, random_state, as_json)


def _reset(index: PassageIndex, as_json: bool) -> None:
    was_tuned = index.reset_weights()
    if as_json:
        print_json({"index": str(index.directory), "reset": was_tuned})
    else:
        done = "back to the default weights" if was_tuned else "had the default weights already"
        out.print(f"{index.directory}: {done}", markup=False)


def _tune(index: PassageIndex, path: Path, dry_run: bool, random_state: int, as_json: bool) -> None:
    from graphagg.rag.evaluation.questions import read_questions

    with progress_report() as progress:
        report = index.tune(
            read_questions(path), dry_run=dry_run, random_state=random_state, progress=progress
        )
    is_written = report.is_gain and not dry_run
    if as_json:
        print_json({"index": str(index.directory), **report.to_json(), "written": is_written})
        return
    print_tuning(report)
    if is_written:
        out.print("the gain is beyond chance: written into the index; --reset undoes")
    elif report.is_gain:
        out.print("the gain is beyond chance; a dry run: nothing was written")
    else:
        out.print("no gain of recall@5 beyond chance: the index keeps its weights")


COMMANDS = {"tune": (tune, EPILOG)}
