"""`graphagg demo`: a tour on bundled data. `graphagg warm`: what it runs, compiled ahead."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from graphagg import kernels
from graphagg.cli.folders import LOCAL
from graphagg.cli.output.console import AsJson, Meter, out, print_json, progress_report
from graphagg.cli.output.results import print_hits, print_members
from graphagg.errors import MissingExtra

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
    from graphagg.rag import PassageIndex, read_passages, read_questions

    data = files("graphagg.rag") / "demo"
    with as_file(data / "passages.jsonl") as file, as_file(data / "questions.jsonl") as asked:
        questions = read_questions(asked)
        with (
            progress_report() as report,
            PassageIndex.build(
                read_passages(file), directory, profile="fast", progress=report
            ) as index,
        ):
            answers = index.retrieve_batch([question.text for question in questions], 3)
            for question, hits in zip(questions, answers, strict=True) if shown else ():
                out.print(question.text, style="bold")
                print_hits(hits, index, explain=True)
    recall = sum(
        len(question.gold & {hit.passage.id for hit in hits}) / len(question.gold)
        for question, hits in zip(questions, answers, strict=True)
    ) / len(questions)
    if shown:
        out.print(f"{100 * recall:.0f} % of the passages needed are among the first 3.\n")
    asked_and_found = [
        {"question": question.text, "hits": [hit.to_json() for hit in hits]}
        for question, hits in zip(questions, answers, strict=True)
    ]
    return {"recall@3": recall, "answers": asked_and_found}


def _communities(directory: Path, shown: bool) -> dict[str, Any]:
    from graphagg.communities import CommunityIndex
    from graphagg.graph import bundled_graph

    with CommunityIndex.build(bundled_graph("les_miserables"), directory) as index:
        community = index.query(_SEEDS, 12)
    picture = directory.parent / "community.png"
    community.structure().draw(picture, title="Around " + " and ".join(_SEEDS))
    if shown:
        out.print(f"Les Misérables: the community of {' and '.join(_SEEDS)}", style="bold")
        print_members(community.members)
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
