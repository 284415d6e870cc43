"""The items, most telling first."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Item:
    """One table.

    Attributes:
        title: its heading.
        run: yields its rows on a device, each as soon as it is there.
        needs: packages beside PyTorch and PyTorch Geometric.
    """

    title: str
    run: Callable[[str], Iterator[Row]]
    needs: tuple[str, ...] = ()


def item(title: str, module: str, function: str, *needs: str, **options: Any) -> Item:
    """An item whose module is loaded when it runs."""

    def run(device: str) -> Iterator[Row]:
        yield from getattr(importlib.import_module(f"benchmarks.{module}"), function)(
            device, **options
        )

    return Item(title, run, needs)


_TRAINING = ("numba", "safetensors", "scipy")
ITEMS = {
    "equality": item("The device gives what the CPU gives", "gpu.equality", "rows"),
    "layer": item("GPS layer with GINE beside PyG's GPSConv", "gpu.layers", "layers", local=True),
    "lcm": item("LCM aggregation beside PyG's", "gpu.layers", "monoids"),
    "zinc": item(
        "Epochs of ZINC-12k, the full preset beside PyG's GPSConv", "training.epoch", "epochs_on",
        *_TRAINING,
    ),
    "attention": item(
        "GPS layer without message passing beside PyG's GPSConv", "gpu.layers", "layers",
        local=False,
    ),
    "encoding": item(
        "Encoding of passages", "gpu.search", "encoding", "sentence_transformers", "spacy"
    ),
    "nearest": item("Search for the nearest vectors by FAISS", "gpu.search", "nearest", "faiss"),
    "tests": item("Tests marked gpu", "gpu.equality", "marked_tests", "pytest", "hypothesis"),
}  # fmt: skip
