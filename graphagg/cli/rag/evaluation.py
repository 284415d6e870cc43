"""`graphagg rag eval`: measure a passage index, compare modes, ablate parts, list failures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from graphagg.checks import one_of
from graphagg.cli.folders import Directory, opened
from graphagg.cli.output.console import AsJson, out, print_json, progress_report
from graphagg.cli.output.passages import print_ablation, print_evaluations, print_failures
from graphagg.cli.request import MODE_OPTION, Preset, SemanticsName, settings
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, renamed
from graphagg.rag.config.linearrag import SEMANTICS, LinearRAGConfig, Semantics
from graphagg.rag.config.modes import Mode, mode_named

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex
    from graphagg.rag.evaluation.failures import Failure
    from graphagg.rag.evaluation.questions import GoldQuestion

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
    ablate: Annotated[
        bool, typer.Option("--ablate", help="Measure the mode multihop without each of its parts.")
    ] = False,
    failures: Annotated[
        Path | None,
        typer.Option(help="JSONL file for the questions that multihop fails, with the cause."),
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
    from graphagg.rag.evaluation.failures import count_kinds, find_failures, write_failures

    runs = _runs(mode, compare, preset, semantics)
    _check_together(runs, ablate, compare, failures)
    gold = _questions(questions, half, random_state)
    failed: list[Failure] = []
    with opened(PassageIndex, directory) as index, progress_report() as report:
        if ablate:
            result = _ablated(index, gold, random_state, report)
        else:
            result = _evaluated(index, gold, runs, random_state, report)
        if failures:
            failed = find_failures(index, gold, progress=report)
            write_failures(failed, failures)
    said = {"half": half, "random_state": random_state}
    for run in result.runs.values():
        run |= said
    if failures:
        result.best["failures"] = {"file": str(failures), "by_kind": count_kinds(failed)}
    if as_json:
        print_json(result.runs if compare else next(iter(result.runs.values())))
        return
    result.show()
    asked = f"the {half} half of the questions" if half else "all questions (--half takes one)"
    out.print(f"{asked}; halves: tune, to choose by, and test; random_state {random_state}")
    if failures:
        print_failures(failed, failures)


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


def _check_together(runs: Runs, ablate: bool, compare: str | None, failures: Path | None) -> None:
    names = tuple(runs)
    if ablate and (compare is not None or names != ("multihop",)):
        raise InvalidParameter("--ablate is about mode multihop; leave --compare and --mode out")
    if failures is None:
        return
    if "multihop" not in names:
        raise InvalidParameter(
            f"--failures is about mode multihop, the modes are {names}; add multihop"
        )
    if failures.is_dir() or not failures.parent.is_dir():
        raise InvalidParameter(f"--failures {failures}: not writable; give another path")


def _questions(path: Path, name: _Half | None, random_state: int) -> list[GoldQuestion]:
    from graphagg.rag.evaluation.questions import half, read_questions

    questions = read_questions(path)
    return questions if name is None else half(questions, name, random_state)


# --- runs ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Result:
    """Results of an evaluation.

    Attributes:
        runs: JSON by run.
        show: prints it.
    """

    runs: dict[str, dict[str, Any]]
    show: Callable[[], None]

    @property
    def best(self) -> dict[str, Any]:
        """The JSON of mode multihop."""
        return self.runs["multihop"]


def _evaluated(
    index: PassageIndex,
    gold: list[GoldQuestion],
    runs: Runs,
    random_state: int,
    report: Progress,
) -> _Result:
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
    results = {name: {"mode": runs[name][0], **r.to_json()} for name, r in reports.items()}
    for name, summary in differences.items():
        results[name]["difference"] = {"to": first, **summary.to_json()}
    return _Result(results, lambda: print_evaluations(reports, differences))


def _ablated(
    index: PassageIndex, gold: list[GoldQuestion], random_state: int, report: Progress
) -> _Result:
    from graphagg.rag.evaluation.measure import ablate

    ablation = ablate(index, gold, random_state=random_state, progress=report)
    return _Result({"multihop": ablation.to_json()}, lambda: print_ablation(ablation))


_EVAL = "Example: graphagg rag eval idx questions.jsonl.gz --compare multihop,linearrag,dense,bm25"

COMMANDS = {"eval": (evaluate, _EVAL)}
