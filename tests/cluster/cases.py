"""The builds that Spark does: an input for each, and how its index on a store is compared."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.communities import CommunityIndex
from graphagg.embedding import NodeEmbedding
from graphagg.rag import PassageIndex
from graphagg.store import manifest_at
from tests.cluster.inputs import (
    SKETCH,
    VECTORS,
    Fakes,
    passages,
    skewed_pairs,
    write_pairs,
    write_passages,
)


@dataclass(frozen=True)
class Case:
    """A job of `submitted.py`.

    Attributes:
        write: writes its input into a folder, other ones for other seeds.
        check: compares the index at an address with that of one process; the input and a folder
            for the latter follow.
    """

    write: Callable[[Path, int], Path]
    check: Callable[[Any, Path, Path], None]


def stages(printed: str) -> list[str]:
    """The stages that a job says it has done, in their order."""
    return re.findall(r"^stage (\S+)$", printed, re.MULTILINE)


def _edges(folder: Path, seed: int) -> Path:
    return write_pairs(folder / f"edges{seed}.txt", skewed_pairs(seed))


def _passages(folder: Path, seed: int) -> Path:
    return write_passages(folder / f"passages{seed}.jsonl", passages(60, seed))


def _same_communities(place: Any, source: Path, folder: Path) -> None:
    with CommunityIndex.build(source, folder / "alone", config=SKETCH) as alone:
        assert manifest_at(place).to_json() == alone.manifest.to_json()
    CommunityIndex.open(place, verify=True).close()


def _same_embedding(place: Any, source: Path, folder: Path) -> None:
    """Vectors to 1e-5: the order in which sums are made differs."""
    with (
        NodeEmbedding.build(source, folder / "alone", config=VECTORS) as alone,
        NodeEmbedding.open(place, verify=True) as found,
    ):
        assert found.manifest.inputs == alone.manifest.inputs
        np.testing.assert_array_equal(found.parts, alone.parts)
        np.testing.assert_allclose(found.vectors, alone.vectors, atol=1e-5)


def _same_passages(place: Any, source: Path, folder: Path) -> None:
    models = Fakes().load()
    given: dict[str, Any] = {"encoder": models.encoder, "extractor": models.extractor}
    records = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    with PassageIndex.build(records, folder / "alone", **given) as alone:
        assert manifest_at(place).to_json() == alone.manifest.to_json()


CASES = {
    "communities": Case(_edges, _same_communities),
    "embed": Case(_edges, _same_embedding),
    "passages": Case(_passages, _same_passages),
}
