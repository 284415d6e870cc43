"""Random graphs and brute force that the tests compare with."""

from __future__ import annotations

import itertools
import json

import numpy as np
from hypothesis import strategies as st

KINDS = ("undirected", "directed-in", "directed-out", "two-mode")

pairs = st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), min_size=1, max_size=80)
"""Edge lists with repeats and self-loops."""

real_pairs = pairs.filter(lambda found: any(a != b for a, b in found))
"""Edge lists that leave an edge when self-loops are dropped."""


def planted(blocks=5, size=20, inside=0.5, across=0.02, random_state=0):
    """A graph with planted communities: edges, and the communities."""
    generator = np.random.default_rng(random_state)
    label = np.repeat(np.arange(blocks), size)
    edges = [
        (a, b)
        for a, b in itertools.combinations(range(len(label)), 2)
        if generator.random() < (inside if label[a] == label[b] else across)
    ]
    return edges, [np.flatnonzero(label == block).tolist() for block in range(blocks)]


def sets_of(edges, kind, closed):
    """The set of each vertex, by brute force."""
    sets: dict[int, set[int]] = {}
    for a, b in edges:
        if kind == "two-mode":
            sets.setdefault(b, set()).add(a)
            continue
        for vertex in (a, b):
            sets.setdefault(vertex, {vertex} if closed else set())
        if a != b:
            if kind in ("undirected", "directed-out"):
                sets[a].add(b)
            if kind in ("undirected", "directed-in"):
                sets[b].add(a)
    return sets


def jaccard(a, b):
    """|a & b| / |a | b|; 0 for two empty sets."""
    return len(a & b) / len(a | b) if a | b else 0.0


def files(index):
    """The bytes of every file of an index, or of the folder of one, and of its manifest."""
    manifest = (getattr(index, "directory", index) / "manifest.json").read_bytes()
    folder = getattr(index, "directory", index) / json.loads(manifest)["data"]
    return {path.name: path.read_bytes() for path in folder.iterdir()} | {"manifest": manifest}
