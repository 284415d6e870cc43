"""`graphagg demo`: a tour on bundled data. `graphagg warm`: what it runs, compiled ahead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from graphagg import kernels
from graphagg.cli.folders import LOCAL
from graphagg.cli.output.console import AsJson, Meter, out, print_json, progress_report
from graphagg.cli.output.passages import explain_hit
from graphagg.errors import MissingExtra

if TYPE_CHECKING:
    from graphagg.communities import Community
    from graphagg.rag import Hit, PassageIndex
    from graphagg.rag.evaluation.questions import GoldQuestion

EPILOG = "Example: graphagg demo --out build/demo"
WARM = "Example: graphagg warm"

_SEEDS = ("Enjolras", "Gavroche")
_VERTEX = "Valjean"


def demo(
    out_dir: Annotated[Path, typer.Option("--out", help="Where the indices go.", **LOCAL)] = Path(
        "build/demo"
    ),
    as_json: AsJson = False,
) -> None:
    """Answer ten multi-hop questions; explore a community of Les Misérables, and embed them.

    The three parts need the extras `fast`, `communities`, and `embedding`. A part whose extra is
    not installed is left out, with the line that installs it.
    """
    meter = Meter()
    figures, left_out = _run(out_dir, not as_json)
    if as_json:
        print_json({**figures, "left_out": {name: str(why) for name, why in left_out.items()}})
        return
    for name, why in left_out.items():
        out.print(f"Left out: {name}: {why}\n", markup=False)
    _print_next(out_dir, [name for name in _demos() if name not in left_out], meter)


def warm() -> None:
    """Compile most of what larger inputs need, once per installation, ahead of other commands.

    Small inputs need no compiled code. What larger ones need is compiled when they first come,
    which takes half a minute in all.
    """
    meter = Meter()
    kernels.compile_always()
    with TemporaryDirectory() as folder:
        _, left_out = _run(Path(folder), False)
    for name, why in left_out.items():
        out.print(f"Left out: {name}: {why}", markup=False)
    out.print(f"compiled in {meter.read()['wall_seconds']} s")


def _demos() -> dict[str, Callable[[Path, bool], dict[str, Any]]]:
    return {"passages": _passages, "communities": _communities, "embedding": _embedding}


def _run(out_dir: Path, shown: bool) -> tuple[dict[str, Any], dict[str, MissingExtra]]:
    """Run the parts whose extras are installed; returns their figures, and why others are not."""
    figures: dict[str, Any] = {}
    left_out: dict[str, MissingExtra] = {}
    for name, run in _demos().items():
        try:
            figures.update(run(out_dir / name, shown))
        except MissingExtra as error:
            left_out[name] = error
    if len(left_out) == len(_demos()):
        raise left_out["passages"]
    return figures, left_out


def _passages(directory: Path, shown: bool) -> dict[str, Any]:
    questions = _questions()
    with _passage_index(directory) as index:
        answers = index.retrieve_batch([question.text for question in questions], 3)
        if shown:
            _print_answers(questions, answers, index)
    recall = _recall(questions, answers)
    if shown:
        out.print(
            f"[green]*[/green] needed for the answer: {100 * recall:.0f} % of them are among the "
            "first 3.\n"
        )
    shown_answers = [
        {"question": question.text, "hits": [hit.to_json() for hit in hits]}
        for question, hits in zip(questions, answers, strict=True)
    ]
    return {"recall@3": recall, "answers": shown_answers}


def _communities(directory: Path, shown: bool) -> dict[str, Any]:
    from graphagg.communities import CommunityIndex
    from graphagg.graph import bundled_graph

    with CommunityIndex.build(bundled_graph("les_miserables"), directory) as index:
        community = index.query(_SEEDS, 12)
    picture = directory.parent / "community.png"
    community.structure().draw(picture, title="Around " + " and ".join(_SEEDS))
    if shown:
        _print_community(community)
        out.print(f"Drawn with its sub-communities: {picture}\n", markup=False)
    return {"community": community.to_json(), "picture": str(picture)}


def _embedding(directory: Path, shown: bool) -> dict[str, Any]:
    from graphagg.embedding import EmbeddingConfig, NodeEmbedding
    from graphagg.graph import bundled_graph

    config = EmbeddingConfig(dim=16)
    with NodeEmbedding.build(bundled_graph("les_miserables"), directory, config=config) as index:
        near = index.neighbors(_VERTEX, 5)
    if shown:
        nearest = ", ".join(f"{n.id} ({n.score:.2f})" for n in near)
        out.print(f"Nearest to {_VERTEX} in 16 dimensions: {nearest}\n", markup=False)
    return {"neighbors": {_VERTEX: [{"id": n.id, "score": n.score} for n in near]}}


def _print_next(out_dir: Path, names: list[str], meter: Meter) -> None:
    commands = {
        "passages": 'rag search {} "your question" --explain',
        "communities": "communities query {} --seed Valjean -k 10",
        "embedding": "embed neighbors {} --vertex Javert -k 5",
    }
    out.print(f"{meter.read()['wall_seconds']} s in all." + (" Go on with:" if names else ""))
    for name in names:
        out.print(f"  graphagg {commands[name].format(out_dir / name)}", markup=False)


def _bundled(name: str) -> Traversable:
    return files("graphagg.rag") / "demo" / name


def _passage_index(directory: Path) -> PassageIndex:
    from graphagg.rag import PassageIndex, read_passages

    with as_file(_bundled("passages.jsonl")) as file, progress_report() as report:
        passages = read_passages(file)
        return PassageIndex.build(passages, directory, profile="fast", progress=report)


def _questions() -> list[GoldQuestion]:
    from graphagg.rag.evaluation.questions import read_questions

    with as_file(_bundled("questions.jsonl")) as file:
        return read_questions(file)


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
    """Width of tables: the terminal's; in a pipe 100 columns."""
    return None if out.is_terminal else 100
