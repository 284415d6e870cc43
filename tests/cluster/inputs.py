"""Small inputs, what a process alone makes of them, and how a job's output is compared with it."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.rag import PassageIndex
from graphagg.rag.models.by_name import Models
from graphagg.store.manifest import read_manifest
from tests.fakes import FakeEncoder, FakeExtractor

SKETCH = CommunityConfig(permutations=32, bands=16, rows=2)
VECTORS = EmbeddingConfig(dim=8, pieces=3, max_piece_edges=4000)
Pairs = Iterable[tuple[object, object]]


@dataclass(frozen=True)
class Fakes:
    """Fake models that workers can load."""

    def load(self) -> Models:
        return Models(FakeEncoder(window=12), FakeExtractor("en"))


def skewed_pairs(seed: int, n: int = 300, edges: int = 1000) -> list[tuple[int, int]]:
    """Pairs of groups of 30, of which every second one is of vertex 7; repeats and loops too."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, n, edges)
    second = np.where(
        rng.random(edges) < 0.8, first // 30 * 30 + rng.integers(0, 30, edges),
        rng.integers(0, n, edges),
    )  # fmt: skip
    first[::2], second[::2] = 7, rng.integers(0, n, (edges + 1) // 2)
    second[:10] = first[:10]
    return [*zip(first.tolist(), second.tolist(), strict=True)][:edges] + [(7, 8)] * 5


def write_pairs(path: Path, pairs: Pairs) -> Path:
    path.write_text("# a comment\n" + "".join(f"{a}\t{b}\n" for a, b in pairs), encoding="utf-8")
    return path


def passages(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Texts that share names, some with titles and metadata."""
    rng = random.Random(seed)
    names = ["Ada", "Ada Lovelace", "Charles Babbage", "Engine", "London", "Zürich", "東京"]
    words = ["river", "wrote", "notes", "the", "engines", "city", "of", "planet", "lay"]
    found = []
    for i in range(count):
        parts = [rng.choice(names if rng.random() < 0.4 else words) for _ in range(20)]
        record: dict[str, Any] = {"id": f"p{rng.random():.6f}-{i}", "text": " ".join(parts) + "."}
        if rng.random() < 0.6:
            record["title"] = rng.choice(names)
        if rng.random() < 0.5:
            record["metadata"] = {"year": rng.randint(1800, 1900)}
        found.append(record)
    return found


def write_passages(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    lines = (json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def files(directory: Path) -> dict[str, str]:
    """sha256 of each data file of the current version."""
    folder = directory / read_manifest(directory).data
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def assert_same_communities(edges: Path, out: Path, config: CommunityConfig = SKETCH) -> None:
    """The job's index is the one of a process alone, byte for byte."""
    alone = out.with_name(f"{out.name}.alone")
    CommunityIndex.build(edges, alone, config=config).close()
    assert (out / "manifest.json").read_bytes() == (alone / "manifest.json").read_bytes()
    CommunityIndex.open(out, verify=True).close()


def assert_same_embedding(edges: Path, out: Path, config: EmbeddingConfig = VECTORS) -> None:
    """The job's index has the parts, ids and report of a process alone, floats to 1e-5."""
    alone = out.with_name(f"{out.name}.alone")
    NodeEmbedding.build(edges, alone, config=config).close()
    with NodeEmbedding.open(out, verify=True) as found, NodeEmbedding.open(alone) as wanted:
        np.testing.assert_array_equal(found.parts, wanted.parts)
        np.testing.assert_allclose(found.vectors, wanted.vectors, atol=1e-5)
        assert list(found.vertices) == list(wanted.vertices)
        assert found.partition_report == wanted.partition_report
    one, other = (read_manifest(directory).to_json() for directory in (out, alone))
    for part in ("counts", "inputs", "parameters"):
        assert one[part] == other[part]


def assert_same_passages(records: Sequence[dict[str, Any]], out: Path) -> None:
    """The job's index, made with `Fakes`, is the one of a process alone, byte for byte."""
    alone, models = out.with_name(f"{out.name}.alone"), Fakes().load()
    PassageIndex.build(records, alone, encoder=models.encoder, extractor=models.extractor).close()
    assert files(out) == files(alone)
    assert read_manifest(out).to_json() == read_manifest(alone).to_json()
