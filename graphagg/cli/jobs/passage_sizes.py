"""What the passage index is expected to take, from the number of passages and their text."""

from __future__ import annotations

import math

from graphagg.cli.jobs.plan import Expected
from graphagg.cli.jobs.sizes import Input
from graphagg.rag.spark.build import ENTRIES_A_TASK
from graphagg.rag.spark.stages import STAGES

_SENTENCE = 110
"""Bytes of text a sentence."""
_NAME = 120
"""Bytes of text a name that no text before had."""
_WORKER = 1_200_000_000
"""Bytes of a Python worker with encoder and extractor."""


def passage_sizes(
    source: Input, dimension: int, a_task: int
) -> tuple[dict[str, int], list[Expected]]:
    """Tasks a stage, and sizes, of the job `trigraph`."""
    text = int(source.records * source.record_bytes)
    vectors = source.records + text // _SENTENCE + text // _NAME
    output = 4 * dimension * vectors + 4 * text
    pieces = max(1, math.ceil(source.records / a_task))
    sorted_tasks = max(1, math.ceil(text / 6 / ENTRIES_A_TASK))
    tasks = {stage: pieces for stage in STAGES} | {
        "records": 1, "ids": 1, "names": max(1, math.ceil(text / _NAME / 20_000)),
        "pairs": sorted_tasks, "postings": sorted_tasks,
    }  # fmt: skip
    expected = [
        Expected(
            "index", output,
            f"a vector of {4 * dimension} bytes for each passage, for each {_SENTENCE} bytes of "
            f"text (a sentence) and for each {_NAME} (a name), and four times the text",
        ),
        Expected("work folder", output + 3 * text, "the index's pieces, and the text three times"),
        Expected(
            "shuffle", 8 * text,
            "uncompressed: the text once, and 40 bytes a word for postings, mentions and pairs",
        ),
        Expected(
            "memory a task", _WORKER + 12 * dimension * a_task * max(1, text // max(
                1, source.records) // _SENTENCE),
            "a Python worker with its models of 1.2 GB, and three times the vectors of its "
            "passages",
        ),
    ]  # fmt: skip
    return tasks, expected
