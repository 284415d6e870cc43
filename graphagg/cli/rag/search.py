"""`graphagg rag search`, `explain` and `shell`: ask an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphagg.cli.output.console import AsJson, err, print_json
from graphagg.cli.output.passages import print_documents, print_explanation, print_hits
from graphagg.cli.rag.options import (
    AsOf,
    BridgeThrough,
    Directory,
    Exclude,
    Filters,
    HalfLife,
    Include,
    MinScore,
    ModeName,
    Preset,
    Question,
    RecencyWeight,
    RerankerName,
    RerankFirst,
    SemanticsName,
    TopK,
    rescored,
    selected,
    settings,
)

if TYPE_CHECKING:
    from graphagg.rag import DocumentHit

_SEARCH = "Example: graphagg rag search idx 'Who led the works?' --filter 'year>=2000' --explain"
_EXPLAIN = "Example: graphagg rag explain idx 'On which river was Marie Curie born?' warsaw"
_SHELL = "Example: graphagg rag shell idx --mode linearrag --filter 'year>=2000'"


def search(
    directory: Directory,
    question: Question,
    top_k: TopK = 5,
    mode: ModeName = "multihop",
    filters: Filters = None,
    include: Include = None,
    exclude: Exclude = None,
    bridge_through: BridgeThrough = False,
    as_of: AsOf = None,
    recency: RecencyWeight = 0.0,
    half_life: HalfLife = 30.0,
    reranker: RerankerName = None,
    rerank_first: RerankFirst = 50,
    min_score: MinScore = None,
    window: Annotated[int, typer.Option(help="Chunks to show before and after each hit.")] = 0,
    documents: Annotated[bool, typer.Option("--documents", help="Group hits by document.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the parts of scores and the hop paths.")
    ] = False,
    preset: Preset = None,
    semantics: SemanticsName = None,
    characters: Annotated[
        int | None,
        typer.Option(
            help="Characters of a passage and the chunks around it in JSON.",
            show_default="all",
            min=1,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Retrieve the passages that answer a question."""
    from graphagg.rag import PassageIndex

    config = settings(mode, preset, semantics)
    visible = selected(filters, include, exclude, bridge_through, as_of)
    visible |= rescored(recency, half_life, reranker, rerank_first)
    options: dict[str, Any] = {
        "mode": mode,
        "config": config,
        "window": window,
        "min_score": min_score,
    }
    options |= visible
    with PassageIndex.open(directory) as opened:
        if documents:
            groups = opened.retrieve_documents(question, top_k, **options)
            if as_json:
                _print_answer(
                    question, mode, "documents", [_document(each, characters) for each in groups]
                )
            else:
                print_documents(groups, opened, explain)
            return
        hits = opened.retrieve(question, top_k, **options)
        if as_json:
            _print_answer(question, mode, "hits", [hit.to_json(characters) for hit in hits])
            return
        print_hits(hits, opened, explain)
        if mode == "linearrag" and hits and hits[0].method == "dense":
            err.print("the question names no entity: ranked by similarity alone")


def explain(
    directory: Directory,
    question: Question,
    passage_id: Annotated[str, typer.Argument(help="Id of the passage; search shows ids.")],
    top_k: TopK = 5,
    mode: ModeName = "multihop",
    filters: Filters = None,
    include: Include = None,
    exclude: Exclude = None,
    bridge_through: BridgeThrough = False,
    as_of: AsOf = None,
    recency: RecencyWeight = 0.0,
    half_life: HalfLife = 30.0,
    reranker: RerankerName = None,
    rerank_first: RerankFirst = 50,
    preset: Preset = None,
    semantics: SemanticsName = None,
    as_json: AsJson = False,
) -> None:
    """Say why a passage is, or is not, among the first for a question."""
    from graphagg.rag import PassageIndex

    config = settings(mode, preset, semantics)
    visible = selected(filters, include, exclude, bridge_through, as_of)
    visible |= rescored(recency, half_life, reranker, rerank_first)
    with PassageIndex.open(directory) as opened:
        explanation = opened.explain(
            question, passage_id, top_k, mode=mode, config=config, **visible
        )
        if as_json:
            print_json({"passage_id": passage_id, "mode": mode, **explanation.to_json()})
        else:
            print_explanation(explanation, opened)


def shell(
    directory: Directory,
    top_k: TopK = 5,
    mode: ModeName = "multihop",
    filters: Filters = None,
    min_score: MinScore = None,
) -> None:
    """Ask at a prompt, or by lines on standard input; the model loads at the first question."""
    from graphagg.cli.shell.passages import PassageShell
    from graphagg.cli.shell.prompt import converse
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as opened:
        code = converse(PassageShell(opened, top_k, mode, filters or (), min_score), "rag")
    raise typer.Exit(code)


def _print_answer(question: str, mode: str, name: str, answers: list[dict[str, Any]]) -> None:
    print_json({"question": question, "mode": mode, name: answers})


def _document(group: DocumentHit, characters: int | None) -> dict[str, Any]:
    hits = [hit.to_json(characters) for hit in group.hits]
    return {"document": group.document, "score": group.score, "hits": hits}


COMMANDS = {
    "search": (search, _SEARCH),
    "explain": (explain, _EXPLAIN),
    "shell": (shell, _SHELL),
}
