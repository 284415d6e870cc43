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
"""Maximum number of passages, or of nearest vertices, in one answer."""
MOST_CHARACTERS = 20_000
"""Characters of a hit."""
MOST_TEXT = 100_000
"""Characters of all hits for a question, divided equally among them."""
UNSURE = 0.1
"""Confidence below which an answer is reported and counted as doubtful."""
MOST_MEMBERS = 1_000
"""Members of a community."""
MOST_SEEDS = 100
MOST_LISTED = 1_000
"""Maximum number of vertices in a list (type-ahead, neighbors)."""


@dataclass(frozen=True)
class ServiceLimits:
    """Limits that an operator may change.

    Attributes:
        body_bytes: maximum size of a request body in bytes.
        receive_seconds: time limit for receiving the body of a request, in seconds.
        idle_seconds: seconds after which an idle connection is closed.
        answer_seconds: time limit from the complete request to its answer, in seconds.
        connections: maximum number of open connections, idle ones included.
        waiting: maximum number of requests that run or wait.
        threads: number of threads that compute answers.
        write_bytes: maximum size of passages sent as JSON, in bytes.
        upload_bytes: maximum size of one upload in bytes.
        upload_files: maximum number of files in one upload.
        write_seconds: time that a write may wait for its turn, in seconds.
        writers: maximum number of concurrent writes, each to a different collection with its own
            models.
        open_collections: maximum number of open collections; the least recently used are closed.
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
