"""Limits of a request: how much it may ask for, and how long it may take."""

from __future__ import annotations

import os
from dataclasses import dataclass

from graphagg.checks import integer, number

LONGEST_QUESTION = 2_000
"""Characters of a question."""
LONGEST_NAME = 512
"""Characters of a vertex id, a prefix or a passage id."""
MOST_HITS = 100
"""Passages, and nearest vertices, of one answer."""
MOST_CHARACTERS = 20_000
"""Characters of a hit that may be asked for."""
MOST_TEXT = 100_000
"""Characters of all hits of a question; with many hits each has its share."""
MOST_MEMBERS = 1_000
"""Members of a community."""
MOST_SEEDS = 100
MOST_BATCH = 64
"""Questions or queries of a batch."""
MOST_LISTED = 1_000
"""Vertices of a list: type-ahead, neighbors."""
KEPT = 4096
"""Vectors of questions; of the default encoder they take 6 MiB."""


@dataclass(frozen=True)
class Limits:
    """Limits that an operator may change.

    Attributes:
        body_bytes: most bytes of a request's body, also where it comes in chunks without a length.
        receive_seconds: longest time for the header of a request, and again for its body.
        stall_seconds: how long a client may leave an answer unread.
        answer_seconds: from the complete request to its answer.
        waiting: requests that are answered or wait for it; the next one is refused.
        lookups: the same for type-ahead and neighbors, which have a lane of their own.
        threads: how many threads compute answers.
        vectors: how many vectors of questions are kept for when they are asked again.
    """

    body_bytes: int = 1 << 20
    receive_seconds: float = 10.0
    stall_seconds: float = 30.0
    answer_seconds: float = 30.0
    waiting: int = 256
    lookups: int = 256
    threads: int = max(2, min(os.cpu_count() or 1, 16))
    vectors: int = KEPT

    def __post_init__(self) -> None:
        integer("vectors", self.vectors, 0)
        for name, value in vars(self).items():
            if name != "vectors":
                number(name, value, above=0)
