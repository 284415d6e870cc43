"""The builds that Spark does: an input for each, and how its index on a store is compared."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.inputs import (
    assert_same_communities,
    assert_same_embedding,
    assert_same_passages,
    skewed_pairs,
    write_pairs,
    write_passages,
)
from tests.spark.test_passages import passages


@dataclass(frozen=True)
class Case:
    """A job of `submitted.py`.

    Attributes:
        write: writes its input into a folder, other ones for other seeds.
        check: compares the index of an input at an address with that of one process, beside it.
    """

    write: Callable[[Path, int], Path]
    check: Callable[[Path, Any], None]


REFUSED = {"spark.cores.max": "1", "spark.scheduler.minRegisteredResourcesRatio": "0"}
"""Settings of a job that is refused while another one has all executors: it needs none."""


def stages(printed: str) -> list[str]:
    """The stages that a job says it has done, in their order."""
    return re.findall(r"^stage (\S+)$", printed, re.MULTILINE)


def _edges(folder: Path, seed: int) -> Path:
    return write_pairs(folder / f"edges{seed}.txt", skewed_pairs(seed))


def _passages(folder: Path, seed: int) -> Path:
    return write_passages(folder / f"passages{seed}.jsonl", passages(60, seed))


CASES = {
    "communities": Case(_edges, assert_same_communities),
    "embed": Case(_edges, assert_same_embedding),
    "passages": Case(_passages, assert_same_passages),
}
