"""Models over pieces of passages: sentences, entities and vectors, each written once.

A task loads a piece of passages, annotates and encodes it (batches sorted by length, by the
encoder itself), and writes its part of the segment, the keys it found, and its postings. A
piece that was finished before a job was killed is not computed again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from graphagg.arrays import narrow
from graphagg.graph.spark.numbering import Numbering, number_ids
from graphagg.progress import silent
from graphagg.rag.build.segment import make_segment, stored_rows
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.languages import CODES
from graphagg.rag.spark.records import load_passages
from graphagg.rag.spark.stages import NAMES, PASSAGES, SEGMENT, Stages, loaded
from graphagg.rag.tables.mentions import NewRow
from graphagg.spark.task_arrays import ArrayCollector
from graphagg.spark.tasks import Stats, run_tasks
from graphagg.store import ArtifactWriter, blocks
from graphagg.store.strings import StringTable

_TEXTS = "s0.passages.texts"
_OWN = ("passages.", "names")
"""Parts of a segment that other stages write."""
NAMES_A_TASK = 20_000


def write_segment(stages: Stages, passages: Sequence[Stats]) -> list[Stats]:
    """Annotate and encode every piece; the lengths of its arrays."""
    pieces, models, language = stages.pieces(SEGMENT), stages.models, stages.language

    def annotate(i: int) -> Stats:
        number = passages[i]["block"]
        known = pieces.known(i)
        if known is not None:
            return known
        given = load_passages(stages, number)
        here = loaded(models)
        segment, rows = make_segment(
            given,
            here.extractor,
            here.encoder,
            lambda key: True,
            silent,
            packed=here.storage.packed,
        )
        with TemporaryDirectory() as folder:  # for the texts, which another stage writes
            writer = ArrayCollector(Path(folder))
            segment.save(writer, 0)
        arrays = {
            name: array
            for name, array in writer.arrays.items()
            if not name.removeprefix("s0.").startswith(_OWN)
        }
        arrays |= _keys(rows) | _postings(rows, Analyzers(language))
        return pieces.save(i, arrays, rows=len(given))

    return stages.noted(SEGMENT, lambda: run_tasks(stages.work.spark, len(passages), annotate))


def _keys(rows: Sequence[NewRow]) -> dict[str, Any]:
    found = {f.key for row in rows for f in row.found}
    titles = {key for row in rows for key in row.titles} - found
    tables = {"found": found, "titles": titles}
    return _string_arrays({name: sorted(keys) for name, keys in tables.items()})


def _postings(rows: Sequence[NewRow], analyzers: Analyzers) -> dict[str, Any]:
    counts = [row.stems(analyzers) for row in rows]
    own = {"lexicon.languages": np.array([CODES.index(c.language) for c in counts], np.uint8)}
    terms = sorted({term for c in counts for term in c.all})
    number = {term: i for i, term in enumerate(terms)}
    entries = [
        (number[term], row, min(count, 65535), c.title[term])
        for row, c in enumerate(counts)
        for term, count in c.all.items()
    ]
    columns = np.array(entries, np.int32).reshape(-1, 4).T
    names = ("posting.term", "posting.row", "posting.count", "posting.title")
    return (
        dict(zip(names, columns, strict=True))
        | _string_arrays({"terms": terms})
        | {
            "lexicon.lengths": np.array(
                [(c.length, c.title_length) for c in counts], np.int32
            ).reshape(-1, 2),
            "gazetteer.title_tokens": narrow(np.array([r.tokens.titles for r in rows], np.int32)),
        }
        | (own if analyzers.is_mixed else {})
    )


def _string_arrays(tables: dict[str, list[str]]) -> dict[str, Any]:
    packed = {name: StringTable.pack(strings) for name, strings in tables.items()}
    return {f"{name}.utf8": table.data for name, table in packed.items()} | {
        f"{name}.offsets": table.offsets for name, table in packed.items()
    }


def number_keys(stages: Stages, stats: Sequence[Stats], tables: Sequence[str]) -> Numbering:
    """Number the distinct keys of some tables of the pieces by a distributed sort."""
    import pyarrow as pa

    pieces, stage = stages.pieces(SEGMENT), "-".join(tables)

    def keys(i: int) -> dict[str, Any]:
        strings = [text for name in tables for text in pieces.strings(stats[i]["block"], name)]
        return {"id": pa.array(strings, pa.string())}

    def number() -> dict[str, Any]:
        total = sum(s[f"{name}.offsets"] - 1 for s in stats for name in tables)
        partitions = max(1, math.ceil(total / NAMES_A_TASK))
        frame = stages.frame(len(stats), keys, "id string")
        found = number_ids(frame, stages.work.blocks, stage, partitions)
        return {"counts": found.counts, "numbers": found.numbers, "sizes": found.sizes}

    noted = stages.work.note(stage, number)
    return Numbering(
        stages.work.blocks,
        stage,
        tuple(noted["counts"]),
        tuple(noted["numbers"]),
        tuple(noted["sizes"]),
    )


def write_names(stages: Stages, names: Numbering | None) -> None:
    """Encode the names that the extractor found, and write them with their vectors; None: none."""
    pieces, models = stages.pieces(NAMES), stages.models

    def encode(i: int) -> Stats:
        known = pieces.known(i)
        if known is not None:
            return known
        assert names is not None
        keys = list(names.load(i))
        here = loaded(models)
        vectors = stored_rows(
            here.encoder.encode([str(key) for key in keys]),
            here.encoder.dimension,
            here.storage.packed,
        )
        arrays = _string_arrays({"s0.names": [str(key) for key in keys]})
        return pieces.save(i, arrays | {"s0.names.vectors": vectors})

    spark = stages.work.spark
    if names is not None and names.total:
        stats = stages.noted(NAMES, lambda: run_tasks(spark, len(names.counts), encode))
    else:
        here = loaded(models)
        nothing = np.zeros((0, here.encoder.dimension), np.float32)
        no_vectors = stored_rows(nothing, here.encoder.dimension, here.storage.packed)
        empty = _string_arrays({"s0.names": []}) | {"s0.names.vectors": no_vectors}
        stats = [{"block": 0} | pieces.save(0, empty)]
    pieces.join(spark, stats, stages.files, [n for n in stats[0] if n.startswith("s0.")])


def join_segment(stages: Stages, passages: Sequence[Stats], segment: Sequence[Stats]) -> None:
    """Write the files of the segment that depend on single passages."""
    spark, files = stages.work.spark, stages.files
    for stage, stats in ((PASSAGES, passages), (SEGMENT, segment)):
        names = [name for name in stats[0] if name.startswith(("s0.", "lexicon.", "gazetteer."))]
        texts = [name for name in names if name.startswith(_TEXTS)]
        stages.pieces(stage).join(spark, stats, files, [n for n in names if n not in texts])
        stages.pieces(stage).join(spark, stats, stages.work.files, texts)
    _compress_texts(stages)


def _compress_texts(stages: Stages) -> None:
    """Write the texts in blocks: one task, since where a block ends depends on all before it."""
    joined, files = stages.work.files, stages.files

    def compress(_: int) -> Stats:
        parts = [joined.map(f"{_TEXTS}.{part}") for part in ("utf8", "offsets")]
        with files.written() as folder:
            blocks.write(ArtifactWriter(folder), _TEXTS, StringTable(*parts))
        return {}

    run_tasks(stages.work.spark, 1, compress)
