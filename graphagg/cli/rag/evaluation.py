"""`graphagg rag eval`: measure a passage index, and compare modes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from graphagg.checks import one_of
from graphagg.cli.folders import Directory, opened
from graphagg.cli.output.console import AsJson, out, print_json, progress_report
from graphagg.cli.output.passages import print_evaluations
from graphagg.cli.request import MODE_OPTION, Preset, SemanticsName, settings
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, renamed
from graphagg.rag.config.linearrag import SEMANTICS, LinearRAGConfig, Semantics
from graphagg.rag.config.modes import Mode, mode_named

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex
    from graphagg.rag.evaluation.measure import RetrievalEvaluation
    from graphagg.rag.evaluation.questions import GoldQuestion
    from graphagg.rag.evaluation.recall import Summary

Runs = dict[str, tuple[Mode, LinearRAGConfig | None]]
_Half = Literal["tune", "test"]


def evaluate(
    directory: Directory,
    questions: Annotated[
        Path, typer.Argument(help="JSONL, JSON, CSV, Parquet; see docs/guides/formats.md.")
    ],
    mode: Annotated[
        Mode | None,
        typer.Option(help="Retrieval mode.", show_default="multihop", **MODE_OPTION),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Modes side by side, e.g. multihop,linearrag:paper,dense,bm25."),
    ] = None,
    half: Annotated[
        _Half | None, typer.Option(help="Measure only this half of the questions.")
    ] = None,
    random_state: Annotated[
        int, typer.Option(help="Seed of the halves and of the bootstrap intervals.", min=0)
    ] = 0,
    preset: Preset = None,
    semantics: SemanticsName = None,
    as_json: AsJson = False,
) -> None:
    """Measure recall of gold passages or documents, and of answers, and latency per question.

    Each question has gold_passage_ids, gold_document_ids or answers; intervals are of 95 %.
    """
    from graphagg.rag import PassageIndex

    runs = _runs(mode, compare, preset, semantics)
    gold = _questions(questions, half, random_state)
    with opened(PassageIndex, directory) as index, progress_report() as report:
        reports, differences = _evaluated(index, gold, runs, random_state, report)
    if as_json:
        results = {
            name: {"mode": runs[name][0], **each.to_json()} for name, each in reports.items()
        }
        for name, summary in differences.items():
            results[name]["difference"] = {"to": next(iter(reports)), **summary.to_json()}
        for result in results.values():
            result |= {"half": half, "random_state": random_state}
        print_json(results if compare else next(iter(results.values())))
        return
    print_evaluations(reports, differences)
    asked = f"the {half} half of the questions" if half else "all questions (--half takes one)"
    out.print(f"{asked}; halves: tune, to choose by, and test; random_state {random_state}")


# --- options -------------------------------------------------------------------------------------


def _runs(
    mode: Mode | None, compare: str | None, preset: str | None, semantics: Semantics | None
) -> Runs:
    """The runs by name; `linearrag:paper` has semantics `paper`."""
    if mode is not None and compare is not None:
        raise InvalidParameter("give --mode or --compare, not both")
    if compare is None:
        mode = mode or "multihop"
        return {mode: (mode, settings(mode, preset, semantics))}
    runs: Runs = {}
    for name in map(str.strip, compare.split(",")):
        before, _, after = name.partition(":")
        kind = mode_named(before)
        reading = one_of("semantics", cast(Semantics, after), SEMANTICS) if after else None
        if kind == "linearrag":
            run = settings(kind, preset, reading or semantics)
        else:
            run = settings(kind, None, reading)
        runs[f"{kind}:{reading}" if reading else kind] = kind, run
    if (preset or semantics) and not any(kind == "linearrag" for kind, _ in runs.values()):
        raise InvalidParameter(
            f"preset and semantics are settings of mode 'linearrag', the modes are {tuple(runs)}; "
            "leave them out or add linearrag"
        )
    return runs


def _questions(path: Path, name: _Half | None, random_state: int) -> list[GoldQuestion]:
    from graphagg.rag.evaluation.questions import half, read_questions

    questions = read_questions(path)
    return questions if name is None else half(questions, name, random_state)


def _evaluated(
    index: PassageIndex,
    gold: list[GoldQuestion],
    runs: Runs,
    random_state: int,
    report: Progress,
) -> tuple[dict[str, RetrievalEvaluation], dict[str, Summary]]:
    """Evaluate the runs. Returns their results, and the differences to the first."""
    from graphagg.rag.evaluation.measure import difference
    from graphagg.rag.evaluation.measure import evaluate as run

    reports = {
        name: run(
            index, gold, mode=kind, config=config, random_state=random_state,
            progress=renamed(report, name),
        )
        for name, (kind, config) in runs.items()
    }  # fmt: skip
    first, *others = reports
    differences = {name: difference(reports[name], reports[first], random_state) for name in others}
    return reports, differences


_EVAL = "Example: graphagg rag eval idx questions.jsonl.gz --compare multihop,linearrag,dense,bm25"

COMMANDS = {"eval": (evaluate, _EVAL)}
