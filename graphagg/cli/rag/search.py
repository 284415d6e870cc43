"""`graphagg rag search`, `shell` and `explain`: questions to an index."""

from __future__ import annotations

from dataclasses import replace

from graphagg.cli.folders import Device, Directory, K
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson, err, print_json
from graphagg.cli.output.results import print_explanation, print_hits
from graphagg.cli.request import Question, RequestOptions


@command
def search(
    directory: Directory,
    question: Question,
    *,
    request: RequestOptions,
    k: K = 5,
    explain: bool = False,
    characters: int | None = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Retrieve the passages that answer a question.

    Example: graphagg rag search idx 'Who led the works?' --filter 'year>=2000' --explain

    Options:
        k: number of hits.
        explain: show the parts of scores and the hop paths.
        characters: characters of a passage and the chunks around it in JSON. None: all.
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory, device=device) as index:
        head = {"question": question, "mode": request.mode}
        hits = index.retrieve(question, k, request)
        if as_json:
            rows = [hit.to_json(characters) for hit in hits]
            print_json({**head, "confidence": hits.confidence, "hits": rows})
            return
        print_hits(hits, explain)
        if request.mode == "linearrag" and hits and hits[0].method == "dense":
            err.print("the question names no entity: ranked by similarity alone")


@command
def shell(
    directory: Directory,
    *,
    request: RequestOptions,
    k: K = 5,
    explain: bool = False,
    device: Device = None,
) -> int:
    r"""Ask questions at a prompt, or with lines on standard input.

    The index and its models are loaded once. Each question follows up on the ones before it;
    an empty line begins a new conversation.

    Example: graphagg rag shell idx --explain

    Example: printf 'Who was Curie?\nWhere was she born?\n' | graphagg rag shell idx

    Options:
        k: number of hits.
        explain: show the parts of scores and the hop paths.
    """
    from graphagg.cli.shell import converse
    from graphagg.rag import PassageIndex

    earlier = list(request.history)
    with PassageIndex.open(directory, device=device) as index:

        def answer(line: str) -> None:
            index.reopen()
            if not line:
                earlier.clear()
                return
            hits = index.retrieve(line, k, replace(request, history=tuple(earlier)))
            print_hits(hits, explain)
            earlier.append(line)

        return converse(answer, "question> ")


@command
def explain(
    directory: Directory,
    question: Question,
    passage_id: str,
    *,
    request: RequestOptions,
    k: K = 5,
    as_json: AsJson = False,
) -> None:
    """Explain why a passage is, or is not, among the first k for a question.

    Example: graphagg rag explain idx 'On which river was Marie Curie born?' warsaw

    Options:
        passage_id: id of the passage; search shows ids.
        k: number of hits.
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index:
        explanation = index.explain(question, passage_id, k, request)
        if as_json:
            head = {"passage_id": passage_id, "mode": request.mode}
            print_json({**head, **explanation.to_json()})
        else:
            print_explanation(explanation)
