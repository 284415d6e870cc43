"""Prints hits, explanations and evaluations as tables and text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from graphagg.cli.output.console import out, print_rows
from graphagg.rag.documents.dates import DATED_BY
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.tokens import CODE
from graphagg.rag.question.excerpts import ELLIPSIS
from graphagg.rag.question.results import PARTS_IN_WORDS, unanswered

if TYPE_CHECKING:
    from graphagg.rag import Explanation, Hit, Hits
    from graphagg.rag.evaluation.measure import RetrievalEvaluation, Summary

_SHORTENED = 240  # maximum characters of a passage in a list of hits
_SENTENCE = 200  # maximum characters of a sentence in an explanation
_LEAST_SHOWN = 0.005  # smallest part of a score that is shown
_NOTHING = "no passage is visible under these options"
_STYLES = {"question_entity": "yellow", "sentence": "italic", "entity": "bold cyan"}


def print_hits(hits: Hits, explain: bool) -> None:
    """Print hits as a table, with their texts or, if `explain`, with scores and hop paths."""
    if not hits:
        out.print(unanswered(hits.confidence) if hits.confidence else _NOTHING)
        return
    table = Table("", "score", "passage", "why" if explain else "text", expand=out.is_terminal)
    for rank, hit in enumerate(hits, start=1):
        table.add_row(str(rank), f"{hit.score:.4f}", _name(hit), _detail(hit, explain))
    out.print(table)
    if hits.confidence is not None:
        out.print(f"[dim]confidence {hits.confidence:.2f}[/dim]")


def _name(hit: Hit) -> str:
    title, metadata = hit.place.title, hit.metadata
    title_line = f"{escape(title)}\n" if title else ""
    page = f", page {metadata['page']}" if "page" in metadata else ""
    qualifier = f" ({' '.join(hit.apart)})" if hit.apart else ""
    versions = f"\n{hit.versions}" if hit.versions else ""
    line = f"{hit.passage.id}{page}{qualifier}{versions}"
    if DATED_BY in metadata:
        line += f"\ndated {metadata[WHEN][:10]} ({metadata[DATED_BY].replace('_', ' ')})"
    return f"{title_line}[dim]{escape(line)}[/dim]"


def _detail(hit: Hit, explain: bool) -> str:
    if explain:
        return explain_hit(hit)
    if not hit.neighbors:
        return _matched(hit)
    text = " ".join(hit.text.split())
    around = {p.position: f"[dim]{escape(' '.join(p.text.split()))}[/dim]" for p in hit.neighbors}
    around[hit.passage.position] = escape(text)
    return "\n".join(around[position] for position in sorted(around))


def _matched(hit: Hit) -> str:
    """Return an excerpt of a hit with its closest sentence in bold, and its duplicates."""
    excerpt = hit.excerpt(_SHORTENED)
    start, end = excerpt.match
    text, mark = excerpt.marked, len(ELLIPSIS) if excerpt.span.start else 0
    pieces = (text[: mark + start], text[mark + start : mark + end], text[mark + end :])
    flat = (lambda piece: piece.replace(CODE, "  ")) if CODE in text else _one_line
    before, sentence, after = (escape(flat(piece)) for piece in pieces)
    sentence = f"[bold]{sentence}[/bold]" if sentence else ""
    return before + sentence + after + _copies(hit)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _copies(hit: Hit) -> str:
    if not hit.copies:
        return ""
    more = f" and {len(hit.copies) - 3:,} more" if len(hit.copies) > 3 else ""
    return f"\n[dim]same text: {escape(', '.join(hit.copies[:3]))}{more}[/dim]"


def explain_hit(hit: Hit) -> str:
    """Return the hop path of a hit and the larger parts of its score, in rich markup."""
    digits, least = (2, _LEAST_SHOWN) if hit.method == "multihop" else (4, 0.0)
    components = "  ".join(
        f"{name}={value:.{digits}f}"
        for name, value in hit.components.items()
        if abs(value) >= least
    )
    return f"{_path(hit)}\n[dim]{components}[/dim]{_copies(hit)}"


def _path(hit: Hit) -> str:
    """Return all hops except the last one, which is the hit itself."""
    hops, sentence = hit.path[:-1], _one_line(hit.sentence).strip()
    if len(sentence) > _SENTENCE:
        sentence = sentence[:_SENTENCE] + ELLIPSIS
    closest = f': [italic]"{escape(sentence)}"[/italic]' if hit.sentence else ""
    if not hops:
        return f"by its own score{closest}"
    if len(hops) == 1:
        tie = "is its title" if hops[0].score else "is mentioned in it"
        return f"[yellow]{escape(hops[0].text)}[/yellow] {tie}{closest}"
    return " -> ".join(_steps(hit))


def _steps(hit: Hit) -> Iterator[str]:
    before = ""
    for hop, text in zip(hit.path[:-1], _texts(hit), strict=False):
        if hop.kind == "sentence":
            text = f'"{text}"'
        elif hop.kind == "reference":
            text = f"links to {text}"
        if text != before:
            style = _STYLES.get(hop.kind, "default")
            yield f"[{style}]{escape(text)}[/{style}]"
        before = text


def _texts(hit: Hit) -> Iterator[str]:
    """Yield the text of each hop; a sentence after its passage is shown without the title."""
    kind = ""
    for hop in hit.path:
        title, _, rest = hop.text.rpartition("\n")
        yield f"{title}: {rest}" if title and kind != "passage" else rest
        kind = hop.kind


def print_explanation(explanation: Explanation) -> None:
    """Print the reason for a rank, the text, the parts of the score and the hop path."""
    if explanation.hit is None:
        out.print(explanation.reason, markup=False)
        return
    hit = explanation.hit
    components = [
        {"part of the score": name.replace("_", " "), "": f"{value:.4f}", "says": says}
        for name, value in {**hit.components, "score": hit.score}.items()
        for says in [PARTS_IN_WORDS.get(name, "")]
    ]
    path = []
    for hop, text in zip(hit.path, _texts(hit), strict=True):
        if hop.passage_id != hop.text:
            text = f"{text} {hop.passage_id}".strip()
        scores = {"its own score": f"{hop.score:.4f}", "adds": f"{hop.contribution:.4f}"}
        path.append({"hop": hop.kind.replace("_", " "), "": text, **scores})
    out.print(explanation.reason, markup=False)
    out.print(f"\n{_name(hit)}\n{_matched(hit)}\n")
    print_rows(components)
    out.print()
    print_rows(path)


def print_evaluations(
    reports: Mapping[str, RetrievalEvaluation], differences: Mapping[str, Summary]
) -> None:
    """Print runs side by side: quality with intervals, differences to the first, types, latency."""
    first, *_ = reports
    rows = [_quality(name, report.overall) for name, report in reports.items()]
    rows += [_quality(f"{name} - {first}", each, "+") for name, each in differences.items()]
    for kind in reports[first].by_type:
        rows += [_quality(f"{name}: {kind}", r.by_type[kind]) for name, r in reports.items()]
    print_rows(rows)
    out.print()
    print_rows(
        [
            {"ms": name}
            | {f"{s} p50": f"{t['p50']:.1f}" for s, t in report.latency_ms.items()}
            | {f"{s} p99": f"{t['p99']:.1f}" for s, t in report.latency_ms.items()}
            for name, report in reports.items()
        ]
    )
    out.print(
        f"\nquestions: {reports[first].questions:,}, one at a time; quality in percent with its "
        "95 % interval; wall times in ms"
    )
    if reports[first].gold_missing:
        out.print(f"{reports[first].gold_missing:,} gold ids are missing from the index")


def _quality(name: str, summary: Summary, sign: str = "") -> dict[str, str | int | float]:
    """Return a table row with each metric in percent and its confidence interval."""
    row: dict[str, str | int | float] = {"": name, "questions": summary.questions}
    for metric, (low, high) in summary.intervals.items():
        row[metric] = f"{summary.percent[metric]:{sign}.2f} ({low:{sign}.1f}, {high:{sign}.1f})"
    return row
