"""What several commands of `graphagg rag` take, and what it means to the library."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphagg.errors import EmptyCorpus, InvalidParameter

if TYPE_CHECKING:
    from graphagg.rag import Passage
    from graphagg.rag.modes import Config, Mode

Directory = Annotated[Path, typer.Argument(help="The index directory.")]
PassageFile = Annotated[Path, typer.Argument(help="JSONL (gz), Parquet, or folder of .txt/.md.")]
Question = Annotated[str, typer.Argument(help="What to ask.")]
TopK = Annotated[int, typer.Option(help="How many passages.")]
ModeName = Annotated[
    str,
    typer.Option("--mode", help="best; faithful (LinearRAG); dense (cosine alone); bm25 (words)."),
]
Preset = Annotated[
    str | None,
    typer.Option(help="Of faithful: official (the default), official-run, paper, musique, ..."),
]
Semantics = Annotated[
    str | None,
    typer.Option(help="Of faithful: official or paper; default: what the preset says."),
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
    typer.Option(
        "--bridge-through-filtered", help="What is left out may lead to hits all the same."
    ),
]
ChunkWords = Annotated[
    int | None,
    typer.Option(help="Split documents into passages of at most so many words, at sentences."),
]
OverlapSentences = Annotated[
    int | None, typer.Option(help="Sentences that neighboring chunks share.  [1]")
]


def settings(mode: str, preset: str | None, semantics: str | None) -> tuple[Mode, Config | None]:
    """The mode of a name, and its settings.

    Raises:
        InvalidParameter: a name is unknown, or a preset or semantics is given for another mode
            than `faithful`.
    """
    from graphagg.rag.linearrag import config
    from graphagg.rag.modes import MODES

    kind = next((known for known in MODES if known == mode), None)
    if kind is None:
        raise InvalidParameter(f"mode is {mode!r}, wanted one of {MODES}")
    chosen = config.preset(preset or "official")
    if semantics is not None:
        known = next((name for name in config.SEMANTICS if name == semantics), None)
        if known is None:
            raise InvalidParameter(f"semantics is {semantics!r}, wanted one of {config.SEMANTICS}")
        chosen = chosen.with_semantics(known)
    if kind == "faithful":
        return kind, chosen
    if preset is not None or semantics is not None:
        raise InvalidParameter(
            f"preset and semantics are settings of mode 'faithful', the mode is {mode!r}; "
            "leave them out or add --mode faithful"
        )
    return kind, None


def selected(
    filters: list[str] | None,
    include: list[str] | None,
    exclude: list[str] | None,
    bridge_through: bool,
) -> dict[str, Any]:
    """Options of `PassageIndex.retrieve` that say what is visible; raises `InvalidFilter`."""
    from graphagg.rag.documents.filters import parse_cli

    conditions = [parse_cli(text) for text in filters or ()]
    return {
        "filter": {"and": conditions} if conditions else None,
        "include": include or None,
        "exclude": exclude or (),
        "bridge_through_filtered": bridge_through,
    }


def read_corpus(path: Path, words: int | None, overlap: int | None) -> list[Passage]:
    """Read passages, or documents to split into them, and check them as a whole."""
    from graphagg.rag import ChunkConfig, chunk_documents, read_passages
    from graphagg.rag.documents.passages import check_corpus

    if words is None and overlap is not None:
        raise InvalidParameter("--overlap-sentences needs --chunk-words; add it")
    passages: Iterable[Passage] = read_passages(path)
    if words is not None:
        least = min(ChunkConfig.min_words, words // 6)  # in proportion, where chunks are small
        shared = ChunkConfig.overlap_sentences if overlap is None else overlap
        passages = chunk_documents(passages, ChunkConfig(words, shared, least))
    try:
        return check_corpus(passages)
    except EmptyCorpus:
        raise EmptyCorpus(
            f"{path}: no passage in it, wanted one at least; check the path"
        ) from None
