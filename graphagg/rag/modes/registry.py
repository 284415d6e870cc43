"""The retrieval modes by their names. A new one is a class, and a line here and in `Mode`."""

from __future__ import annotations

from typing import Any

from graphagg.errors import InvalidParameter
from graphagg.rag.config.modes import Config, Mode, mode_named
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.modes.broad.mode import Auto, Broad
from graphagg.rag.modes.linearrag.mode import LinearRAG
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.plain import BM25, RRF, Dense
from graphagg.rag.modes.protocol import Retriever
from graphagg.rag.question.selection import Selection
from graphagg.rag.snapshot.snapshot import Snapshot

AnyRetriever = Retriever[Any, Any, Any]
RETRIEVERS: dict[Mode, type[AnyRetriever]] = {
    "multihop": Multihop, "broad": Broad, "auto": Auto, "linearrag": LinearRAG, "rrf": RRF,
    "dense": Dense, "bm25": BM25,
}  # fmt: skip
"""The class of each mode."""


def settings_of(
    mode: Mode, config: Config | None, weights: MultihopConfig | None = None
) -> Config | None:
    """The settings of a mode: its defaults for None; raises `InvalidParameter`.

    `weights` are what `multihop` takes without settings; None: its defaults.
    """
    config_type = RETRIEVERS[mode].config_type
    if config_type is None or isinstance(config, config_type):
        return config
    if config_type is MultihopConfig and config is None and weights is not None:
        return weights
    if config is None:
        default: Config = config_type()
        return default
    raise InvalidParameter(
        f"config is a {type(config).__name__}, wanted a {config_type.__name__} for mode {mode!r}"
    )


def retriever_of(
    snapshot: Snapshot, selection: Selection, mode: Mode, config: Config | None
) -> AnyRetriever:
    """The retriever of a mode over what a selection of a version's passages lets a caller see.

    Raises:
        InvalidParameter: the mode is unknown, `config` is of another mode, or ids are no list.
        InvalidFilter: the filter names an unknown key or does not fit its type.
    """
    mode = mode_named(mode)
    settings = settings_of(mode, config, snapshot.multihop_config)
    return RETRIEVERS[mode](snapshot, snapshot.scope(selection), settings)
