"""`graphagg rag search`, `explain`, `shell` and `warm`: questions to an index."""

from __future__ import annotations

from functools import partial

from graphagg.cli.folders import Device, Directory, K, OfQuestions, opened
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson, Meter, err, print_json, show
from graphagg.cli.output.results import print_explanation, print_hits
from graphagg.cli.request import Question, RequestOptions

_TEXTS = ".texts.zlib.npy"


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

    with opened(PassageIndex, directory, device=device) as index:
        head = {"question": question, "mode": request.mode}
        hits = index.retrieve(question, k, request)
        if as_json:
            rows = [hit.to_json(characters) for hit in hits]
            print_json({**head, "confidence": hits.confidence, "hits": rows})
            return
        print_hits(hits, index, explain)
        if request.mode == "linearrag" and hits and hits[0].method == "dense":
            err.print("the question names no entity: ranked by similarity alone")


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

    with opened(PassageIndex, directory) as index:
        explanation = index.explain(question, passage_id, k, request)
        if as_json:
            head = {"passage_id": passage_id, "mode": request.mode}
            print_json({**head, **explanation.to_json()})
        else:
            print_explanation(explanation, index)


def shell(directory: Directory, /, *options: OfQuestions, device: Device = None) -> int:
    """Ask at a prompt, or with lines on standard input: models load once.

    A line is a question, or a command of this group without the index; help
    lists them. Options of search given here apply to each question.

    Example: graphagg rag shell idx --mode linearrag --filter 'year>=2000'
    """
    from graphagg.cli.shell import converse
    from graphagg.rag import PassageIndex

    open_index = partial(PassageIndex.open, device=device)
    return converse(open_index, "rag", "search", lambda line: [line], directory, options)


@command
def warm(directory: Directory, *, as_json: AsJson = False) -> None:
    """Load an index into memory, ahead of the first question.

    On a machine that has just started, questions wait for the disk. This command reads all files of
    the index except texts, compiles the code of questions, and asks one.

    Example: graphagg rag warm idx
    """
    from graphagg import kernels
    from graphagg.rag import PassageIndex
    from graphagg.store.ranges import read_ahead

    meter = Meter()
    kernels.compile_always()
    with opened(PassageIndex, directory) as index:
        artifact = index.snapshot.artifact
        names = [name for name in artifact.manifest.files if not name.endswith(_TEXTS)]
        size = sum(read_ahead(artifact.path(name)) for name in names)
        first = next(iter(index), None)
        if first is not None:
            index.retrieve(first.title or first.text[:100])
    text = f"{size / 1e6:,.0f} MB read in {meter.read()['wall_seconds']} s"
    show({"bytes": size, **meter.read()}, text, as_json)
