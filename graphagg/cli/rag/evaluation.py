"""`graphagg rag eval` and `questions`: evaluate a passage index, and draft questions for it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt, PositiveInt

from graphagg.checks import one_of
from graphagg.cli.folders import Directory
from graphagg.cli.output.console import AsJson, err, out, print_json, progress_report
from graphagg.cli.output.results import print_evaluations
from graphagg.errors import InvalidParameter
from graphagg.progress import renamed
from graphagg.rag.config.modes import DEFAULT_MODE, MODES, Mode

if TYPE_CHECKING:
    from graphagg.rag.evaluation.measure import RetrievalEvaluation


def evaluate(
    directory: Directory,
    questions: Path,
    /,
    *,
    mode: Mode | None = None,
    compare: str | None = None,
    refuse: float | None = None,
    fail_below: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    report: Path | None = None,
    random_state: NonNegativeInt = 0,
    as_json: AsJson = False,
) -> None:
    """Measure recall and latency on questions with known answers.

    Each question has gold_passage_ids, gold_document_ids or answers. Intervals are 95 % confidence
    intervals.

    Example: graphagg rag eval idx questions.jsonl.gz --compare multihop,linearrag,dense,bm25

    Example: graphagg rag eval idx questions.jsonl --fail-below recall@5=0.8 --report recall.xml

    Args:
        questions: file with questions and answers: JSONL, JSON, CSV or Parquet; see
            docs/guides/formats.md.
        mode: retrieval mode. None: multihop.
        compare: modes to compare, separated by commas: multihop,linearrag,dense,bm25.
        refuse: share of wrong answers to refuse, such as 0.9; prints the `--min-confidence` that
            refuses them.
        fail_below: minimum values of metrics, such as recall@5=0.8; the exit code is 1 if the first
            mode is below a minimum.
        report: output file with the results of `fail_below`: .md, or .xml in JUnit format.
        random_state: random seed of the bootstrap intervals.
    """
    from graphagg.rag import PassageIndex
    from graphagg.rag.evaluation.gate import check_metrics, check_report, write_report
    from graphagg.rag.evaluation.measure import confidence_threshold, difference
    from graphagg.rag.evaluation.measure import evaluate as measure
    from graphagg.rag.evaluation.questions import read_questions

    modes = _modes(mode, compare)
    if report is not None:
        check_report(report)
    gold = read_questions(questions)
    with PassageIndex.open(directory) as index, progress_report() as progress:
        reports: dict[str, RetrievalEvaluation] = {
            name: measure(
                index, gold, mode=name, random_state=random_state, progress=renamed(progress, name)
            )
            for name in modes
        }
        thresholds = {
            name: confidence_threshold(
                index, gold, refuse, mode=name, progress=renamed(progress, name)
            )
            for name in modes
            if refuse is not None and name != "bm25"
        }
    first, *others = reports
    checks = check_metrics(reports[first], fail_below or ())
    if report is not None:
        write_report(report, checks, reports[first].questions)
    for check in checks:
        err.print(str(check), style=None if check.passes else "bold red", markup=False)
    differences = {name: difference(reports[name], reports[first], random_state) for name in others}
    if as_json:
        results = {name: {"mode": name, **each.to_json()} for name, each in reports.items()}
        for name, summary in differences.items():
            results[name]["difference"] = {"to": first, **summary.to_json()}
        for mode_name, threshold in thresholds.items():
            results[mode_name]["threshold"] = threshold._asdict()
        for result in results.values():
            result["random_state"] = random_state
        print_json(results if compare else next(iter(results.values())))
    else:
        print_evaluations(reports, differences)
    for name, found in () if as_json else thresholds.items():
        out.print(
            f"{name}: --min-confidence {found.value:.3f} refuses {found.refused} of {found.wrong} "
            f"wrong answers and {found.lost} of {found.right} right ones"
        )
    if not all(check.passes for check in checks):
        sys.exit(1)


def questions(
    directory: Directory, /, *, count: PositiveInt = 50, random_state: NonNegativeInt = 0
) -> None:
    """Draft questions for `rag eval` from the names in an index, as JSON lines.

    A person must check and reword the drafts before use.

    Example: graphagg rag questions idx --count 100

    Args:
        count: maximum number of questions.
        random_state: random seed for the choice of questions.
    """
    from graphagg.rag import PassageIndex
    from graphagg.rag.evaluation.drafts import draft_questions

    with PassageIndex.open(directory) as index:
        drafts = draft_questions(index, count, random_state)
    for draft in drafts:
        gold = sorted(draft.gold)
        row = {"id": draft.id, "question": draft.text, "gold_passage_ids": gold, "type": draft.type}
        print(json.dumps(row, ensure_ascii=False))
    err.print(f"{len(drafts)} drafts; check each one before use")


def _modes(mode: Mode | None, compare: str | None) -> list[Mode]:
    if mode is not None and compare is not None:
        raise InvalidParameter("give --mode or --compare, not both")
    names = compare.split(",") if compare is not None else [mode or DEFAULT_MODE]
    return [one_of("mode", cast(Mode, name.strip()), MODES) for name in names]
