"""`graphagg rag answer`: an answer in words, with citations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from graphagg.cli.output.console import AsJson, err, out, print_json
from graphagg.cli.rag.options import (
    Characters,
    Directory,
    Filters,
    MinScore,
    ModeName,
    Question,
    TopK,
    selected,
)
from graphagg.rag.excerpts import CHARACTERS

if TYPE_CHECKING:
    from graphagg.rag.answer.generate import Answer

EPILOG = (
    "Example: graphagg rag answer idx 'Who led the works?' --base-url http://localhost:8000/v1 "
    "--model qwen3"
)


def answer(
    directory: Directory,
    question: Question,
    base_url: Annotated[
        str, typer.Option(help="An OpenAI-compatible API, such as http://localhost:8000/v1.")
    ],
    model: Annotated[str, typer.Option(help="The model's name there.")],
    api_key_env: Annotated[
        str, typer.Option(help="The environment variable that holds the key.")
    ] = "OPENAI_API_KEY",
    top_k: TopK = 5,
    mode: ModeName = "best",
    broad: Annotated[
        bool, typer.Option("--broad", help="The same as --mode broad: passages of several themes.")
    ] = False,
    filters: Filters = None,
    min_score: MinScore = None,
    characters: Characters = CHARACTERS,
    timeout: Annotated[float, typer.Option(help="Seconds for the whole answer.")] = 60.0,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer.")] = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from the passages found, by a language model that cites them."""
    from graphagg.rag import PassageIndex
    from graphagg.rag.answer.endpoint import Endpoint
    from graphagg.rag.answer.generate import answer as answer_from

    visible = selected(filters, None, None, False)
    endpoint = Endpoint(base_url, model, api_key_env, timeout, max_tokens)
    with PassageIndex.open(directory) as opened:
        reply = answer_from(
            opened,
            question,
            endpoint,
            k=top_k,
            mode="broad" if broad else mode,
            filter=visible["filter"],
            min_score=min_score,
            characters=characters,
        )
    if as_json:
        print_json({"question": question, "model": model, **reply.to_json()})
    else:
        _print(reply)


def _print(reply: Answer) -> None:
    if not reply.hits:
        err.print("no passage is visible, so the model was not asked")
        return
    out.print(reply.text, markup=False)
    out.print()
    for citation in reply.citations:
        out.print(f"[{citation.number}] {citation.passage_id}  {citation.title}", markup=False)
    if not reply.citations:
        err.print("the answer cites no passage", markup=False)
    if reply.unknown:
        numbers = ", ".join(map(str, reply.unknown))
        err.print(f"the answer cites what it was not given: {numbers}", markup=False)
    if reply.cut:
        err.print(
            f"{len(reply.cut)} of {len(reply.hits)} passages were cut to {reply.characters:,} "
            f"characters ({', '.join(reply.cut[:5])}); --characters gives the model more",
            markup=False,
        )
