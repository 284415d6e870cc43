"""Limits of requests: sizes, counts and times."""

from __future__ import annotations

import os
from dataclasses import dataclass

from graphagg.checks import number

LONGEST_QUESTION = 2_000
"""Characters of a question."""
LONGEST_NAME = 512
"""Characters of a vertex id, a prefix or a passage id."""
MOST_HITS = 100
"""Passages, and nearest vertices, of one answer."""
MOST_CHARACTERS = 20_000
"""Characters of a hit."""
MOST_TEXT = 100_000
"""Characters of all hits of a question; each has its share."""
UNSURE = 0.1
"""Confidence below which an answer is reported and counted as doubtful."""
MOST_MEMBERS = 1_000
"""Members of a community."""
MOST_SEEDS = 100
MOST_LISTED = 1_000
"""Vertices of a list: type-ahead, neighbors."""


@dataclass(frozen=True)
class ServiceLimits:
    """Limits that an operator may change.

    Attributes:
        body_bytes: most bytes of a request's body.
        receive_seconds: longest time to receive the body of a request.
        idle_seconds: longest idle time of a connection after an answer.
        answer_seconds: longest time from the complete request to its answer.
        connections: most open connections, idle ones included.
        waiting: most requests that are being answered or wait.
        threads: threads that compute answers.
        write_bytes: most bytes of passages and edges sent as JSON.
        upload_bytes: most bytes of one upload.
        upload_files: most files of one upload.
        write_seconds: longest time that a write waits for its turn.
        writers: writes at a time, each to another collection with its own models.
        open_collections: open collections; beyond it the longest unused is closed.
    """

    body_bytes: int = 1 << 20
    receive_seconds: float = 10.0
    idle_seconds: int = 30
    answer_seconds: float = 30.0
    connections: int = 20_000
    waiting: int = 256
    threads: int = max(2, min(os.cpu_count() or 1, 16))
    write_bytes: int = 16 << 20
    upload_bytes: int = 256 << 20
    upload_files: int = 1_000
    write_seconds: float = 30.0
    writers: int = 2
    open_collections: int = 32

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            number(name, value, above=0)
