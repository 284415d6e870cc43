"""Further multi-hop sets, whose habits are not those of 2wiki; each is a function of a seed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.sets.chapters import chapters
from benchmarks.sets.three_hop import three_hop
from benchmarks.sets.tickets import tickets
from graphagg.rag.documents.passages import Passage
from graphagg.rag.evaluation.questions import GoldQuestion

SETS: dict[str, Callable[[], tuple[list[Passage], list[GoldQuestion]]]] = {
    "three-hop": three_hop,
    "three-hop-untitled": partial(three_hop, titles="removed"),
    "tickets": tickets,
    "chapters": chapters,
}

__all__ = ["SETS", "chapters", "three_hop", "tickets"]
