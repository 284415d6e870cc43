"""The lexicon of a build, out of its blocks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import narrow_type, offsets
from graphagg.rag.build.blocks import Blocks
from graphagg.rag.build.files import join, save, write_columns
from graphagg.rag.build.merging import Entries, merge_strings, transposed
from graphagg.store.ranges import GrowingStrings


def write_lexicon(
    blocks: Blocks, starts: list[int], folder: Path, is_mixed: bool, entries: int
) -> int:
    """Write terms and postings; how many terms there are.

    Args:
        blocks: of the build.
        starts: the first row of each block, and the number of rows.
        folder: of the new version.
        is_mixed: whether each passage has its own language.
        entries: postings that are put in order together.
    """
    terms = GrowingStrings(folder, "lexicon.terms")
    numbers = merge_strings(blocks.every("terms"), terms)
    total = max((int(n[-1]) + 1 for n in numbers if len(n)), default=0)
    counts = np.zeros(total, np.int64)
    for i, number in enumerate(numbers):
        counts[number] += np.diff(blocks.array(i, "postings.bounds"))
    bounds = offsets(counts)
    save(folder, "lexicon.bounds", bounds)

    def postings() -> Iterator[Entries]:
        for i, number in enumerate(numbers):
            columns = [
                blocks.array(i, f"postings.{name}") for name in ("row", "count", "title_count")
            ]
            yield Entries(number, blocks.array(i, "postings.bounds"), columns, starts[i])

    columns: dict[str, Any] = {"rows": np.int32}
    for name in ("count", "title_count"):
        parts = (blocks.array(i, f"postings.{name}") for i in range(len(blocks)))
        columns[f"{name}s"] = narrow_type(max(int(part.max(initial=0)) for part in parts))
    write_columns(folder, "lexicon", columns, transposed(postings, bounds, entries))
    join(blocks, folder, "lexicon.lengths", np.int32, (2,))
    if is_mixed:
        join(blocks, folder, "lexicon.languages", np.uint8)
    return total
