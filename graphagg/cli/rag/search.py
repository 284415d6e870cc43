"""`graphagg rag search` and `explain`: query a passage index."""

from __future__ import annotations

from graphagg.cli.folders import Directory, K
from graphagg.cli.output.console import AsJson, err, print_json
from graphagg.cli.output.results import print_explanation, print_hits
from graphagg.cli.request import QuestionText, RequestOptions, RequestWords


def search(
    directory: Directory,
    question: QuestionText,
    /,
    *,
    words: RequestWords = RequestOptions(),
    k: K = 5,
    explain: bool = False,
    characters: int | None = None,
    as_json: AsJson = False,
) -> None:
    """Retrieve the passages that answer a question.

    Example: graphagg rag search idx 'Who led the works?' --filter 'year>=2000' --explain

    Args:
        k: number of hits.
        explain: show the parts of each score and the hop paths.
        characters: maximum number of characters of a passage and its neighbors in JSON. None: no
            limit.
    """
    from graphagg.rag import PassageIndex

    request = words.request()
    with PassageIndex.open(directory) as index:
        head = {"question": question, "mode": request.mode}
        hits = index.retrieve(question, k, request)
        if as_json:
            rows = [hit.to_json(characters) for hit in hits]
            print_json({**head, "confidence": hits.confidence, "tokens": hits.tokens, "hits": rows})
            return
        print_hits(hits, explain)
        if request.mode == "linearrag" and hits and hits[0].method == "dense":
            err.print("the question names no entity: ranked by similarity only")


def explain(
    directory: Directory,
    question: QuestionText,
    passage_id: str,
    /,
    *,
    words: RequestWords = RequestOptions(),
    k: K = 5,
    as_json: AsJson = False,
) -> None:
    """Explain why a passage is, or is not, among the first k hits for a question.

    Example: graphagg rag explain idx 'On which river was Marie Curie born?' warsaw

    Args:
        passage_id: id of the passage, as `rag search` prints it.
        k: number of hits.
    """
    from graphagg.rag import PassageIndex

    request = words.request()
    with PassageIndex.open(directory) as index:
        explanation = index.explain(question, passage_id, k, request)
        if as_json:
            head = {"passage_id": passage_id, "mode": request.mode}
            print_json({**head, **explanation.to_json()})
        else:
            print_explanation(explanation)
