"""`graphagg demo`: what graphagg does, on bundled data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from graphagg.cli.folders import LOCAL
from graphagg.cli.output.console import AsJson, Meter, out, print_json, progress_report
from graphagg.cli.output.passages import explain_hit
from graphagg.errors import MissingExtra

if TYPE_CHECKING:
    from graphagg.communities import Community
    from graphagg.embedding.results import Neighbor
    from graphagg.rag import Hit, PassageIndex
    from graphagg.rag.evaluation.measure import GoldQuestion

EPILOG = "Example: graphagg demo --out build/demo"

_SEEDS = ("Enjolras", "Gavroche")
_VERTEX = "Valjean"


def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Where the indices go.", **LOCAL)] = Path(
        "build/demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Answer ten multi-hop questions; explore a community of Les Misérables, and embed them.

    A part whose libraries are not installed is left out, and named.
    """
    meter = Meter()
    found: dict[str, Any] = {}
    missing: dict[str, MissingExtra] = {}
    for name, part in _PARTS.items():
        try:
            found |= part(out_dir, not as_json)
        except MissingExtra as error:
            missing[name] = error
    if len(missing) == len(_PARTS):
        raise next(iter(missing.values()))
    if as_json:
        left_out = {name: str(fault) for name, fault in missing.items()}
        print_json(found | ({"left_out": left_out} if left_out else {}))
        return
    for name, fault in missing.items():
        out.print(f"Left out: {name}; {fault}\n", markup=False)
    out.print(f"{meter.read()['wall_seconds']} s in all. Go on with:")
    for name in (name for name in _PARTS if name not in missing):
        out.print(f"  graphagg {_NEXT[name].format(out_dir)}", markup=False)


def _questions_part(out_dir: Path, shown: bool) -> dict[str, Any]:
    questions = _questions()
    with _passage_index(out_dir / "passages") as index:
        answers = index.retrieve_batch([question.text for question in questions], 3)
        recall = _recall(questions, answers)
        if shown:
            _print_answers(questions, answers, index)
            out.print(
                f"[green]*[/green] needed for the answer: {100 * recall:.0f} % of those are among "
                "the first 3.\n"
            )
    return {
        "recall@3": recall,
        "answers": [
            {"question": question.text, "hits": [hit.to_json() for hit in hits]}
            for question, hits in zip(questions, answers, strict=True)
        ],
    }


def _community_part(out_dir: Path, shown: bool) -> dict[str, Any]:
    community = _community(out_dir / "communities")
    picture = out_dir / "community.png"
    community.structure().draw(picture, title="Around " + " and ".join(_SEEDS))
    if shown:
        _print_community(community)
        out.print(f"Drawn with its sub-communities: {picture}\n", markup=False)
    return {"community": community.to_json(), "picture": str(picture)}


def _embedding_part(out_dir: Path, shown: bool) -> dict[str, Any]:
    near = _near(out_dir / "embedding")
    if shown:
        nearest = ", ".join(f"{n.id} ({n.score:.2f})" for n in near)
        out.print(f"Nearest to {_VERTEX} in 16 dimensions: {nearest}\n", markup=False)
    return {"neighbors": {_VERTEX: [{"id": n.id, "score": n.score} for n in near]}}


_PARTS: dict[str, Callable[[Path, bool], dict[str, Any]]] = {
    "multi-hop questions": _questions_part,
    "communities": _community_part,
    "embeddings": _embedding_part,
}
_NEXT = {
    "multi-hop questions": 'rag search {}/passages "your question" --explain',
    "communities": "communities query {}/communities --seed Valjean --top-k 10",
    "embeddings": "embed neighbors {}/embedding --vertex Javert --top-k 5",
}


def _bundled(name: str) -> Traversable:
    return files("graphagg.rag") / "demo" / name


def _passage_index(directory: Path) -> PassageIndex:
    from graphagg.rag import PassageIndex, read_passages

    with as_file(_bundled("passages.jsonl")) as file, progress_report() as report:
        return PassageIndex.build(read_passages(file), directory, progress=report)


def _questions() -> list[GoldQuestion]:
    from graphagg.rag.evaluation.measure import read_questions

    with as_file(_bundled("questions.jsonl")) as file:
        return read_questions(file)


def _community(directory: Path) -> Community:
    from graphagg.communities import CommunityIndex
    from graphagg.graph import bundled_graph

    with CommunityIndex.build(bundled_graph("les_miserables"), directory) as index:
        return index.query(_SEEDS, 12)


def _near(directory: Path) -> tuple[Neighbor, ...]:
    from graphagg.embedding import EmbeddingConfig, NodeEmbedding
    from graphagg.graph import bundled_graph

    config = EmbeddingConfig(dim=16)
    with NodeEmbedding.build(bundled_graph("les_miserables"), directory, config=config) as index:
        return index.neighbors(_VERTEX, 5)


def _recall(questions: list[GoldQuestion], answers: Sequence[Sequence[Hit]]) -> float:
    shares = [
        len(question.gold & {hit.passage.id for hit in hits}) / len(question.gold)
        for question, hits in zip(questions, answers, strict=True)
    ]
    return sum(shares) / len(shares)


def _print_answers(
    questions: list[GoldQuestion], answers: Sequence[Sequence[Hit]], index: PassageIndex
) -> None:
    for question, hits in zip(questions, answers, strict=True):
        table = Table(
            "",
            "passage",
            "score",
            "why",
            title=question.text,
            title_justify="left",
            expand=True,
        )
        for hit in hits:
            mark = "[green]*[/green]" if hit.passage.id in question.gold else " "
            table.add_row(mark, hit.passage.title, f"{hit.score:.2f}", explain_hit(hit, index))
        out.print(table, width=_width())


def _print_community(community: Community) -> None:
    title = f"Les Misérables: the community of {' and '.join(map(str, community.seeds))}"
    table: Any = Table("", "vertex", "score", "why", title=title, title_justify="left", expand=True)
    for rank, member in enumerate(community.members, start=1):
        table.add_row(str(rank), str(member.id), f"{member.score:.3f}", member.explain())
    out.print(table, width=_width())


def _width() -> int | None:
    """Of tables: a terminal's; in a pipe 100 columns, for these are to be read."""
    return None if out.is_terminal else 100
