"""Options of several commands of `graphagg rag`, and what they mean to the library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from graphagg.cli.folders import Directory as Directory
from graphagg.errors import InvalidParameter
from graphagg.rag.config.linearrag import PRESETS, LinearRAGConfig, Semantics, preset
from graphagg.rag.config.modes import MODES, Mode, mode_named

PassageFile = Annotated[Path, typer.Argument(help="A folder of documents, JSONL (.gz) or Parquet.")]
Question = Annotated[str, typer.Argument(help="What to ask.")]
TopK = Annotated[int, typer.Option("--top-k", "-k", help="How many passages.")]
MinScore = Annotated[
    float | None, typer.Option(help="Leave out passages that score less.", show_default="none")
]
Characters = Annotated[
    int, typer.Option(help="Characters of a passage and the chunks around it.", min=1)
]
MODE_OPTION: dict[str, Any] = {"parser": mode_named, "metavar": f"[{'|'.join(MODES)}]"}
"""How an option takes a mode: former names of modes are taken too."""
ModeName = Annotated[
    Mode,
    typer.Option(
        "--mode",
        help="multihop; broad (several themes); auto (one of the two, by the question); linearrag "
        "(as its paper has it); rrf (dense and bm25); dense (cosine alone); bm25 (words).",
        **MODE_OPTION,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option(help=f"Settings of linearrag: {', '.join(PRESETS)}.", show_default="official"),
]
SemanticsName = Annotated[
    Semantics | None,
    typer.Option("--semantics", help="How linearrag activates entities.", show_default="by preset"),
]
Filters = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        help="Condition on metadata: k=v, k!=v, k>=v, k<v, 'k in a,b' or JSON; repeat it for and.",
    ),
]
Include = Annotated[
    list[str] | None,
    typer.Option("--include", help="Only this passage or document, by its id; repeat it."),
]
Exclude = Annotated[
    list[str] | None,
    typer.Option("--exclude", help="Not this passage or document, by its id; repeat it."),
]
BridgeThrough = Annotated[
    bool,
    typer.Option("--bridge-through-filtered", help="Hidden passages may lead to visible ones."),
]

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        help="An ISO 8601 date (and time); passages whose metadata 'when' is later are not seen.",
        show_default="none",
    ),
]
RecencyWeight = Annotated[
    float,
    typer.Option("--recency", help="What the newest passages gain; needs metadata 'when'.", min=0),
]
HalfLife = Annotated[
    float, typer.Option("--half-life", help="Days after which they gain half as much.")
]
RerankerName = Annotated[
    str | None,
    typer.Option(
        "--reranker",
        help="A cross-encoder that reads the first hits: name or path of a sentence-transformers "
        "model.",
        show_default="none",
    ),
]
RerankFirst = Annotated[int, typer.Option("--rerank-first", help="How many hits it reads.", min=1)]


def settings(
    mode: Mode, preset_name: str | None, semantics: Semantics | None
) -> LinearRAGConfig | None:
    """The settings of a mode; None: its own.

    Raises:
        InvalidParameter: there is no such preset, or a preset or semantics is given for another
            mode than `linearrag`.
    """
    chosen = preset(preset_name or "official")
    if semantics is not None:
        chosen = chosen.with_semantics(semantics)
    if mode == "linearrag":
        return chosen
    if preset_name is not None or semantics is not None:
        raise InvalidParameter(
            f"preset and semantics are settings of mode 'linearrag', the mode is {mode!r}; "
            "leave them out or add --mode linearrag"
        )
    return None


def rescored(
    recency: float, half_life: float, reranker: str | None, rerank_first: int
) -> dict[str, Any]:
    """Options of `PassageIndex.retrieve` that add to scores; raises `InvalidParameter`."""
    from graphagg.rag.models.reranker import CrossEncoderReranker
    from graphagg.rag.question.rescoring import Recency

    preferred = Recency(recency, half_life)
    return {
        "recency": preferred if recency else None,
        "reranker": None if reranker is None else CrossEncoderReranker(reranker),
        "rerank_first": rerank_first,
    }


def selected(
    filters: list[str] | None,
    include: list[str] | None,
    exclude: list[str] | None,
    bridge_through: bool,
    as_of: str | None = None,
) -> dict[str, Any]:
    """Options of `PassageIndex.retrieve` that say what is visible; raises `InvalidFilter`."""
    from graphagg.rag.documents.filters import parse_cli

    conditions = [parse_cli(text) for text in filters or ()]
    return {
        "filter": {"and": conditions} if conditions else None,
        "include": include or None,
        "exclude": exclude or (),
        "bridge_through_filtered": bridge_through,
        "as_of": as_of,
    }
