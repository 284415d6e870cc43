"""The names of the retrieval modes, and the classes of their settings."""

from __future__ import annotations

from typing import Any, Literal, get_args

from graphagg.checks import one_of
from graphagg.rag.config.linearrag import LinearRAGConfig
from graphagg.rag.config.multihop import MultihopConfig

Mode = Literal["multihop", "linearrag", "rrf", "dense", "bm25"]
MODES: tuple[Mode, ...] = get_args(Mode)
DEFAULT_MODE: Mode = "multihop"
RENAMED: dict[str, Mode] = {"best": "multihop", "faithful": "linearrag"}
"""Modes by the names that they had before; accepted wherever a mode is given."""
Config = MultihopConfig | LinearRAGConfig


def current_name(mode: Any) -> Any:
    """Give a mode under a former name its present name; leave anything else as it is.

    Examples:
        >>> current_name("best"), current_name("bm25")
        ('multihop', 'bm25')
    """
    return RENAMED.get(mode, mode) if isinstance(mode, str) else mode


def mode_named(name: Any) -> Mode:
    """Look up a mode by its present or former name.

    Raises:
        InvalidParameter: there is no such mode; the message lists them.

    Examples:
        >>> mode_named("faithful")
        'linearrag'
    """
    mode: Mode = one_of("mode", current_name(name), MODES)
    return mode
