"""The items, most telling first."""

from __future__ import annotations

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


def _equality(device: str) -> Iterator[Row]:
    from benchmarks.gpu.equality import rows

    yield from rows(device)


def _layer(device: str) -> Iterator[Row]:
    from benchmarks.gpu.layers import layers

    yield from layers(device, local=True)


def _attention(device: str) -> Iterator[Row]:
    from benchmarks.gpu.layers import layers

    yield from layers(device, local=False)


def _lcm(device: str) -> Iterator[Row]:
    from benchmarks.gpu.layers import monoids

    yield from monoids(device)


def _zinc(device: str) -> Iterator[Row]:
    from benchmarks.training.epoch import compared

    yield from compared(device, epochs=2 if device == "cpu" else 5, small=device == "cpu")


def _tests(device: str) -> Iterator[Row]:
    from benchmarks.gpu.equality import marked_tests

    yield from marked_tests(device)


def _encoding(device: str) -> Iterator[Row]:
    from benchmarks.gpu.search import encoding

    yield from encoding(device)


def _faiss(device: str) -> Iterator[Row]:
    from benchmarks.gpu.search import inverted_file

    yield from inverted_file(device)


_TRAINING = ("numba", "safetensors", "scipy", "tensorboard")
ITEMS = {
    "equality": Item("The device gives what the CPU gives", _equality),
    "layer": Item("GPS layer with GINE beside PyG's GPSConv", _layer),
    "lcm": Item("LCM aggregation beside PyG's", _lcm),
    "zinc": Item("Epochs of ZINC-12k, the full preset beside PyG's GPSConv", _zinc, _TRAINING),
    "attention": Item("GPS layer without message passing beside PyG's GPSConv", _attention),
    "encoding": Item("Encoding of passages", _encoding, ("sentence_transformers", "spacy")),
    "faiss": Item("Search of the inverted file: device beside CPU", _faiss, ("faiss",)),
    "tests": Item("Tests marked gpu", _tests, ("pytest", "hypothesis")),
}
