"""`graphagg rag answer`: an answer in words, with citations."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts.types import PositiveInt

from graphagg.cli.folders import Directory, K
from graphagg.cli.options import FLAT, panel, read_text
from graphagg.cli.output.console import AsJson, err, out, print_json
from graphagg.cli.request import AnswerOptions, QuestionText
from graphagg.rag.models.endpoint import Endpoint
from graphagg.rag.question.excerpts import CHARACTERS

if TYPE_CHECKING:
    from graphagg.rag.answer.generate import Answer


def answer(
    directory: Directory,
    question: QuestionText,
    /,
    *,
    endpoint: Annotated[Endpoint, panel("Language model")],
    words: Annotated[AnswerOptions, FLAT] = AnswerOptions(),
    k: K = 5,
    characters: PositiveInt = CHARACTERS,
    prompt: Path | None = None,
    stream: bool | None = None,
    as_json: AsJson = False,
) -> None:
    """Answer a question from the passages found, by a language model that cites them.

    Example: graphagg rag answer idx 'Who led the works?' --base-url http://localhost:8000/v1
    --model qwen3

    Args:
        k: number of hits.
        characters: maximum length of a passage with its neighboring chunks.
        prompt: text file with instructions to put before the passages and the question. None: a
            built-in text.
        stream: print the answer while it is written. None: only in a terminal.
    """
    from graphagg.rag import PassageIndex
    from graphagg.rag.answer.generate import RULES
    from graphagg.rag.answer.generate import answer as answer_from

    streams = not as_json and (sys.stdout.isatty() if stream is None else stream)
    with PassageIndex.open(directory) as index:
        reply = answer_from(
            index,
            question,
            endpoint,
            k=k,
            request=words.request(),
            characters=characters,
            prompt=RULES if prompt is None else read_text(prompt),
            on_text=partial(print, end="", flush=True) if streams else None,
        )
    if as_json:
        print_json({"question": question, "model": endpoint.model, **reply.to_json()})
    else:
        _print(reply, has_streamed=streams)


def _print(reply: Answer, has_streamed: bool) -> None:
    if not reply.hits:
        err.print("no passage is visible, so the model was not asked")
        return
    out.print("" if has_streamed else reply.text, markup=False)
    out.print()
    for citation in reply.citations:
        out.print(f"[{citation.number}] {citation.passage_id}  {citation.title}", markup=False)
    if not reply.citations:
        err.print("the answer cites no passage", markup=False)
    if reply.unknown:
        unknown = ", ".join(map(str, reply.unknown))
        err.print(f"the answer cites passages that it was not given: {unknown}", markup=False)
    if reply.cut:
        err.print(
            f"{len(reply.cut)} of {len(reply.hits)} passages were cut to {reply.characters:,} "
            f"characters ({', '.join(reply.cut[:5])}); --characters gives the model more",
            markup=False,
        )
