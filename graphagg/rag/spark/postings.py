"""The lexicon: postings sorted by range of (term, row); a term may lie in several ranges."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array, narrow, offsets
from graphagg.rag.spark.stages import POSTINGS, SEGMENT, TERMS, Stages
from graphagg.spark.tasks import Stats, run_tasks, write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa


def write_lexicon(stages: Stages, segment: Sequence[Stats], starts: Sequence[int]) -> int:
    """Write terms and postings; how many terms there are.

    Args:
        stages: the job.
        segment: lengths of the pieces of the segment.
        starts: the row of each piece's first passage.
    """
    spark, files = stages.work.spark, stages.files
    postings = _sort_postings(stages, segment, starts)
    pieces, terms = stages.pieces(POSTINGS), stages.pieces(TERMS)

    def own(i: int) -> Stats:
        """Write the terms whose first posting is in this range, and its place."""
        number = postings[i]["block"]
        table, begins = pieces.strings(number, "terms"), pieces.array(number, "begins")
        first = 0
        if i:
            before = pieces.strings(postings[i - 1]["block"], "terms")
            first = int(before.raw(len(before) - 1) == table.raw(0))
        names = table.take(np.arange(first, len(table)))
        arrays: dict[str, Array] = {
            "lexicon.terms.utf8": names.data,
            "lexicon.terms.offsets": names.offsets,
            "begins": begins[first:],
        }
        return terms.save(i, arrays)

    stats = run_tasks(spark, len(postings), own)
    before = [int(bound) for bound in offsets([s["begins"] for s in stats])]
    entries = [int(bound) for bound in offsets([s["lexicon.rows"] for s in postings])]
    files.create("lexicon.bounds", np.int64, (before[-1] + 1,))
    files.write("lexicon.bounds", before[-1], np.array([entries[-1]]))

    def place(i: int) -> Stats:
        begins = terms.array(i, "begins") + entries[i]
        files.write("lexicon.bounds", before[i], begins)
        return {}

    run_tasks(spark, len(stats), place)
    terms.join(spark, stats, files, ["lexicon.terms.utf8", "lexicon.terms.offsets"])
    columns = ["lexicon.rows", "lexicon.counts", "lexicon.title_counts"]
    pieces.join(spark, postings, files, columns)
    return before[-1]


def _sort_postings(stages: Stages, segment: Sequence[Stats], starts: Sequence[int]) -> list[Stats]:
    import pyarrow as pa

    found, pieces = stages.pieces(SEGMENT), stages.pieces(POSTINGS)

    def make(i: int) -> dict[str, Any]:
        terms = pa.array(list(found.strings(i, "terms")), pa.string())
        columns = {name: found.array(i, f"posting.{name}") for name in ("term", "count", "title")}
        return {
            "term": terms.take(pa.array(columns["term"])),
            "row": pa.array((found.array(i, "posting.row") + starts[i]).astype(np.int32)),
            "count": pa.array(columns["count"]),
            "title": pa.array(columns["title"]),
        }

    def write(number: int, table: pa.Table) -> Stats:
        encoded = table.column("term").combine_chunks().dictionary_encode()
        if hasattr(encoded, "combine_chunks"):
            encoded = encoded.combine_chunks()
        # Sorted rows: the dictionary is in order of first appearance, which is ascending.
        names = StringTable.pack(encoded.dictionary.to_pylist())
        codes = encoded.indices.to_numpy()
        arrays = {
            "terms.utf8": names.data,
            "terms.offsets": names.offsets,
            "begins": np.searchsorted(codes, np.arange(len(names))),
            "lexicon.rows": table.column("row").to_numpy().astype(np.int32),
            "lexicon.counts": narrow(table.column("count").to_numpy()),
            "lexicon.title_counts": narrow(np.minimum(table.column("title").to_numpy(), 65_535)),
        }
        return pieces.save(number, arrays)

    total = sum(s["posting.term"] for s in segment)
    frame = stages.frame(len(segment), make, "term string, row int, count int, title int")
    ordered = frame.repartitionByRange(math.ceil(total / stages.a_task), "term", "row")
    return stages.noted(
        POSTINGS, lambda: write_blocks(ordered.sortWithinPartitions("term", "row"), write)
    )
