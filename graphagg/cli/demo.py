"""`graphagg demo`: examples with bundled data."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from graphagg.cli.folders import LocalPath
from graphagg.cli.output.console import (
    AsJson,
    out,
    print_json,
    print_members,
    progress_report,
    resources,
)
from graphagg.errors import MissingExtra

_SEEDS = ("Enjolras", "Gavroche")
_VERTEX = "Valjean"


def demo(
    *,
    out_dir: Annotated[LocalPath, Parameter("--out")] = Path("build/demo"),
    as_json: AsJson = False,
) -> None:
    """Try bundled data: answer ten questions, find a community in Les Misérables, and embed it.

    The three parts need the extras `rag,models` (or `fast`), `communities` and `embedding`. If an
    extra is missing, its part is skipped and the command to install the extra is printed.

    Example: graphagg demo --out build/demo

    Args:
        out_dir: output folder for the indices.
    """
    figures, left_out = _run(out_dir, not as_json)
    if as_json:
        print_json({**figures, "left_out": {name: str(why) for name, why in left_out.items()}})
        return
    for name, why in left_out.items():
        out.print(f"Skipped: {name}: {why}\n", markup=False)
    ready = [name for name in _DEMOS if name not in left_out]
    out.print(f"Total: {resources()['wall_seconds']} s." + (" Continue with:" if ready else ""))
    for name in ready:
        out.print(f"  graphagg {_DEMOS[name][1].format(out_dir / name)}", markup=False)


def _run(out_dir: Path, verbose: bool) -> tuple[dict[str, Any], dict[str, MissingExtra]]:
    """Run the parts whose extras are installed; return results, and errors of skipped parts."""
    figures: dict[str, Any] = {}
    left_out: dict[str, MissingExtra] = {}
    for name, (run, _) in _DEMOS.items():
        try:
            figures.update(run(out_dir / name, verbose))
        except MissingExtra as error:
            extra = "fast" if name == "passages" else name  # smaller than `rag`
            left_out[name] = MissingExtra(error.package, extra)
    if len(left_out) == len(_DEMOS):
        with suppress(OSError):
            os.removedirs(out_dir)
        raise left_out["passages"]
    return figures, left_out


def _passages(directory: Path, verbose: bool) -> dict[str, Any]:
    from graphagg.cli.output.results import print_hits
    from graphagg.rag import PassageIndex, read_passages, read_questions
    from graphagg.rag.config.profile import installed_profile

    data = files("graphagg.rag") / "demo"
    with as_file(data / "passages.jsonl") as file, as_file(data / "questions.jsonl") as gold:
        questions = read_questions(gold)
        with (
            progress_report() as report,
            PassageIndex.build(
                read_passages(file), directory, profile=installed_profile(), progress=report
            ) as index,
        ):
            answers = index.retrieve_batch([question.text for question in questions], 3)
            for question, hits in zip(questions, answers, strict=True) if verbose else ():
                out.print(question.text, style="bold")
                print_hits(hits, explain=True)
    pairs = list(zip(questions, answers, strict=True))
    found = [len(q.gold & {hit.passage.id for hit in hits}) / len(q.gold) for q, hits in pairs]
    recall = sum(found) / len(found)
    if verbose:
        out.print(f"{100 * recall:.0f} % of the passages needed are among the first 3.\n")
    return {
        "recall@3": recall,
        "answers": [{"question": q.text, "hits": [h.to_json() for h in hits]} for q, hits in pairs],
    }


def _communities(directory: Path, verbose: bool) -> dict[str, Any]:
    from graphagg.communities import CommunityIndex
    from graphagg.graph import bundled_graph

    with CommunityIndex.build(bundled_graph("les_miserables"), directory) as index:
        community = index.query(_SEEDS, 12)
    picture = directory.parent / "community.png"
    community.structure().draw(picture, title="Around " + " and ".join(_SEEDS))
    if verbose:
        out.print(f"Les Misérables: the community of {' and '.join(_SEEDS)}", style="bold")
        print_members(community.members)
        out.print(f"Picture with its sub-communities: {picture}\n", markup=False)
    return {"community": community.to_json(), "picture": str(picture)}


def _embedding(directory: Path, verbose: bool) -> dict[str, Any]:
    from graphagg.embedding import EmbeddingConfig, NodeEmbedding
    from graphagg.graph import bundled_graph

    config = EmbeddingConfig(dim=16)
    with NodeEmbedding.build(bundled_graph("les_miserables"), directory, config=config) as index:
        neighbors = index.neighbors(_VERTEX, 5)
    if verbose:
        nearest = ", ".join(f"{n.id} ({n.score:.2f})" for n in neighbors)
        out.print(f"Nearest to {_VERTEX} in 16 dimensions: {nearest}\n", markup=False)
    return {"neighbors": {_VERTEX: [asdict(n) for n in neighbors]}}


_DEMOS: dict[str, tuple[Callable[[Path, bool], dict[str, Any]], str]] = {
    "passages": (_passages, 'rag search {} "your question" --explain'),
    "communities": (_communities, "communities query {} --seed Valjean -k 10"),
    "embedding": (_embedding, "embed neighbors {} --vertex Javert -k 5"),
}
"""The parts, each with a command to continue with."""
