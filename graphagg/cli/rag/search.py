"""`graphagg rag search`, `explain`, `shell` and `warm`: questions to an index."""

from __future__ import annotations

from typing import Annotated

import typer

from graphagg.cli.folders import Directory, opened
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson, Meter, err, print_json, show
from graphagg.cli.output.results import print_documents, print_explanation, print_hits
from graphagg.cli.request import K, Question, RequestOptions

_SEARCH = "Example: graphagg rag search idx 'Who led the works?' --filter 'year>=2000' --explain"
_EXPLAIN = "Example: graphagg rag explain idx 'On which river was Marie Curie born?' warsaw"
_SHELL = "Example: graphagg rag shell idx --mode linearrag --filter 'year>=2000'"
_WARM = "Example: graphagg rag warm idx"
_TEXTS = ".texts.zlib.npy"


def search(
    directory: Directory,
    question: Question,
    request: RequestOptions,
    k: K = 5,
    documents: Annotated[bool, typer.Option("--documents", help="Group hits by document.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the parts of scores and the hop paths.")
    ] = False,
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

    with opened(PassageIndex, directory) as index:
        head = {"question": question, "mode": request.mode}
        if documents:
            groups = index.retrieve_documents(question, k, request)
            if as_json:
                rows = [
                    {"document": each.document, "score": each.score,
                     "hits": [hit.to_json(characters) for hit in each.hits]}
                    for each in groups
                ]  # fmt: skip
                print_json({**head, "documents": rows})
            else:
                print_documents(groups, index, explain)
            return
        hits = index.retrieve(question, k, request)
        if as_json:
            rows = [hit.to_json(characters) for hit in hits]
            print_json({**head, "confidence": hits.confidence, "hits": rows})
            return
        print_hits(hits, index, explain)
        if request.mode == "linearrag" and hits and hits[0].method == "dense":
            err.print("the question names no entity: ranked by similarity alone")


def explain(
    directory: Directory,
    question: Question,
    passage_id: Annotated[str, typer.Argument(help="Id of the passage; search shows ids.")],
    request: RequestOptions,
    k: K = 5,
    as_json: AsJson = False,
) -> None:
    """Explain why a passage is, or is not, among the first k for a question."""
    from graphagg.rag import PassageIndex

    with opened(PassageIndex, directory) as index:
        explanation = index.explain(question, passage_id, k, request)
        if as_json:
            head = {"passage_id": passage_id, "mode": request.mode}
            print_json({**head, **explanation.to_json()})
        else:
            print_explanation(explanation, index)


def shell(context: typer.Context, directory: Directory) -> None:
    """Ask at a prompt, or with lines on standard input: an index and its models load once.

    A line is a question, or a command of this group without the index; help lists them. Options of
    search given here apply to each question.
    """
    from graphagg.cli.rag.commands import make_app
    from graphagg.cli.shell import Shell, converse
    from graphagg.rag import PassageIndex

    prompt = Shell(make_app(), directory, "search", lambda line: [line], context.args)
    with PassageIndex.open(directory) as index:
        raise typer.Exit(converse(prompt, index, "rag"))


def warm(directory: Directory, as_json: AsJson = False) -> None:
    """Load an index into memory, ahead of the first question.

    On a machine that has just started, questions wait for the disk. This command reads all files of
    the index except texts, compiles the code of questions, and asks one.
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


COMMANDS = {
    "search": (command(search), _SEARCH),
    "explain": (command(explain), _EXPLAIN),
    "shell": (shell, _SHELL),
    "warm": (warm, _WARM),
}
