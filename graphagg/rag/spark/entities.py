"""The gazetteer: every place of every key, by a sorted vocabulary on disk.

1. mentions: a task reads a piece's tokens and looks up their n-grams in the sorted keys, mapped
   from disk: pages that no token asks for are not read, and nothing is broadcast.
2. pairs: (entity, passage) pairs sorted by range. The flags of an entity whose pairs lie in several
   ranges are put together, then keys that nothing defines are dropped and the rest numbered.
3. gazetteer: the mentions of each piece with their final numbers, and the view of all passages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from graphagg.arrays import Array, narrow, offsets
from graphagg.graph.spark.numbering import Numbering, write_ids
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.spark.records import load_passages
from graphagg.rag.spark.stages import (
    ENTITIES,
    GAZETTEER,
    MENTIONS,
    PAIRS,
    SEGMENT,
    Stages,
)
from graphagg.rag.spark.tables import write_view
from graphagg.rag.tables.gazetteer import DEFINES, NAME_ROW, kind_of, mentions_of, or_of
from graphagg.rag.tables.mentions import FOUND, KeyFinder, NewRow
from graphagg.spark.tasks import Stats, run_tasks, write_blocks
from graphagg.store.strings import StringTable

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("row", "entity", "start", "length", "sentence", "flags")


def write_gazetteer(
    stages: Stages, passages: Sequence[Stats], starts: Sequence[int], keys: Numbering
) -> dict[str, int]:
    """Write the gazetteer.

    Args:
        stages: the job.
        passages: lengths of the pieces of passages.
        starts: the row of each piece's first passage.
        keys: all keys, of titles too.

    Returns:
        How many entities and mentions there are.
    """
    if not stages.work.files.exists("keys.offsets"):
        write_ids(stages.work.spark, keys, stages.work.files, "keys")
    mentions = _find_mentions(stages, passages, starts)
    pairs = _sort_pairs(stages, mentions)
    entities = _number_entities(stages, pairs, keys.total)
    _number_mentions(stages, mentions, starts)
    write_view(stages, starts[-1])
    return {"entities": entities, "mentions": _mentions_written(stages)}


def _find_mentions(stages: Stages, passages: Sequence[Stats], starts: Sequence[int]) -> list[Stats]:
    pieces, segment = stages.pieces(MENTIONS), stages.pieces(SEGMENT)
    work = stages.work.files

    def find(i: int) -> Stats:
        keys = StringTable(work.map("keys.utf8"), work.map("keys.offsets"))
        finder = KeyFinder(keys)
        given = load_passages(stages, passages[i]["block"])
        spans = {
            name: (segment.array(i, f"s0.{name}.bounds"), segment.array(i, f"s0.{name}"))
            for name in ("sentences", "found")
        }
        records: list[tuple[int, ...]] = []
        for place, passage in enumerate(given):
            sentences, found = (_row(*spans[name], place) for name in ("sentences", "found"))
            row = NewRow.of(passage, Annotation(sentences, found))
            records.extend(mentions_of(starts[i] + place, row, finder, keys))
        columns = np.array(records, np.int64).reshape(-1, 6).T
        row, entity, start, length = columns[:4]
        order = np.lexsort((entity, -length, start, row))
        arrays = {name: c[order] for name, c in zip(_COLUMNS, columns, strict=True)}
        return pieces.save(i, arrays)

    run = run_tasks
    return stages.noted(MENTIONS, lambda: run(stages.work.spark, len(passages), find))


def _row(bounds: Array, values: Array, i: int) -> Any:
    return tuple((int(a), int(b)) for a, b in values[bounds[i] : bounds[i + 1]])


def _sort_pairs(stages: Stages, mentions: Sequence[Stats]) -> list[Stats]:
    import pyarrow as pa

    pieces, found = stages.pieces(PAIRS), stages.pieces(MENTIONS)

    def make(i: int) -> dict[str, Any]:
        row, entity, flags = (found.array(i, name) for name in ("row", "entity", "flags"))
        order = np.lexsort((row, entity))
        row, entity, flags = row[order], entity[order], flags[order]
        fresh = np.ones(len(row), bool)
        fresh[1:] = (row[1:] != row[:-1]) | (entity[1:] != entity[:-1])
        begins = np.flatnonzero(fresh)
        counts = np.diff(np.append(begins, len(row)))
        return {
            "entity": pa.array(entity[begins].astype(np.int32)),
            "row": pa.array(row[begins].astype(np.int32)),
            "count": pa.array(counts.astype(np.int32)),
            "flags": pa.array(or_of(flags, counts).astype(np.int32)),
        }

    def write(number: int, table: pa.Table) -> Stats:
        arrays = {name: table.column(name).to_numpy() for name in table.column_names}
        entity, flags = arrays["entity"], arrays["flags"]
        first, last = int(entity[0]), int(entity[-1])
        pieces.blocks.save(PAIRS, number, **arrays)
        return {
            "first": first,
            "last": last,
            "first_flags": int(np.bitwise_or.reduce(flags[entity == first])),
            "last_flags": int(np.bitwise_or.reduce(flags[entity == last])),
        }

    total = sum(s["entity"] for s in mentions)
    if not total:
        return []
    frame = stages.frame(len(mentions), make, "entity int, row int, count int, flags int")
    ordered = frame.repartitionByRange(math.ceil(total / stages.a_task), "entity", "row")
    return stages.noted(
        PAIRS, lambda: write_blocks(ordered.sortWithinPartitions("entity", "row"), write)
    )


def _number_entities(stages: Stages, pairs: Sequence[Stats], total: int) -> int:
    """Write what there is of each entity and pair; their number.

    `entity_of` in the work folder then holds the number of each key's entity plus one, 0 for none.
    """
    shared: dict[int, int] = {}
    for s in pairs:
        for end in ("first", "last"):
            shared[s[end]] = shared.get(s[end], 0) | s[f"{end}_flags"]
    before = [-1, *(s["last"] for s in pairs[:-1])]
    work, files, language = stages.work.files, stages.files, stages.language
    with_faithful = stages.with_faithful
    loaded, pieces = stages.pieces(PAIRS), stages.pieces(ENTITIES)

    def take(i: int) -> Stats:
        entity, row, count, flags = (
            loaded.array(pairs[i]["block"], name) for name in ("entity", "row", "count", "flags")
        )
        here, begins, lengths = np.unique(entity, return_index=True, return_counts=True)
        union = or_of(flags, lengths)
        for position in {0, len(here) - 1}:
            union[position] |= shared.get(int(here[position]), 0)
        defined = (union & DEFINES) > 0
        kept = np.repeat(defined, lengths)
        own = defined & (here != before[i])
        places = np.cumsum(kept) - 1
        keys = StringTable(work.map("keys.utf8"), work.map("keys.offsets"))
        names, analyzers = keys.take(here[own]), Analyzers(language)
        arrays = {
            "key": here[own],
            "found": ((union[own] & FOUND) > 0) & with_faithful,
            "begin": places[begins[own]],
            "entities.keys.utf8": names.data,
            "entities.keys.offsets": names.offsets,
            "gazetteer.kind": np.array(
                [kind_of(name.split(" "), analyzers) for name in names], np.uint8
            ),
            "gazetteer.row": row[kept].astype(np.int32),
            "gazetteer.count": narrow(count[kept]),
            "gazetteer.pair_flags": flags[kept].astype(np.uint8),
        }
        return pieces.save(i, arrays, names=int(arrays["found"].sum()))

    stats = run_tasks(stages.work.spark, len(pairs), take) if pairs else [_no_entities(stages)]
    entities = _starts([s["key"] for s in stats])
    names = _starts([s["names"] for s in stats])
    kept = _starts([s["gazetteer.row"] for s in stats])
    work.create("entity_of", np.int32, (total,))
    if names[-1]:
        files.create(NAME_ROW, np.int32, (entities[-1],))
    files.create("gazetteer.pair_bounds", np.int64, (entities[-1] + 1,))
    files.write("gazetteer.pair_bounds", entities[-1], np.array([kept[-1]]))

    def place(i: int) -> Stats:
        key, found, begin = (pieces.array(i, name) for name in ("key", "found", "begin"))
        if not len(key):
            return {}
        numbers = np.zeros(int(key[-1] - key[0]) + 1, np.int32)
        numbers[key - key[0]] = np.arange(entities[i], entities[i + 1]) + 1
        work.write("entity_of", int(key[0]), numbers)
        rows = np.where(found, names[i] + np.cumsum(found) - 1, -1)
        if names[-1]:
            files.write(NAME_ROW, entities[i], rows)
        files.write("gazetteer.pair_bounds", entities[i], begin + kept[i])
        return {}

    run_tasks(stages.work.spark, len(stats), place)
    written = [n for n in stats[0] if n.startswith(("entities.", "gazetteer."))]
    pieces.join(stages.work.spark, stats, files, written)
    return entities[-1]


def _no_entities(stages: Stages) -> Stats:
    empty = StringTable.pack([])
    arrays = {
        "key": np.zeros(0, np.int32),
        "found": np.zeros(0, bool),
        "begin": np.zeros(0, np.int64),
        "entities.keys.utf8": empty.data,
        "entities.keys.offsets": empty.offsets,
        "gazetteer.kind": np.zeros(0, np.uint8),
        "gazetteer.row": np.zeros(0, np.int32),
        "gazetteer.count": np.zeros(0, np.uint8),
        "gazetteer.pair_flags": np.zeros(0, np.uint8),
    }
    return {"block": 0} | stages.pieces(ENTITIES).save(0, arrays, names=0)


def _number_mentions(stages: Stages, mentions: Sequence[Stats], starts: Sequence[int]) -> None:
    """Write the mentions by their final entities and pairs."""
    work, files = stages.work.files, stages.files
    found, pieces = stages.pieces(MENTIONS), stages.pieces(GAZETTEER)

    def number(i: int) -> Stats:
        m = {name: found.array(i, name) for name in _COLUMNS}
        final = work.map("entity_of")[m["entity"]].astype(np.int64) - 1
        kept = final >= 0
        m, entity = {name: column[kept] for name, column in m.items()}, final[kept]
        of_row = np.bincount(m["row"] - starts[i], minlength=starts[i + 1] - starts[i])
        arrays: dict[str, Array] = {
            "gazetteer.bounds": offsets(of_row),
            "gazetteer.entity": entity.astype(np.int32),
            "gazetteer.start": narrow(m["start"]),
            "gazetteer.length": m["length"].astype(np.uint8),
            "gazetteer.sentence": narrow(m["sentence"]),
            "gazetteer.flags": m["flags"].astype(np.uint8),
        }
        return pieces.save(i, arrays)

    stats = run_tasks(stages.work.spark, len(mentions), number)
    names = [name for name in stats[0] if name.startswith("gazetteer.")]
    owner = {"gazetteer.bounds": "gazetteer.entity"}
    pieces.join(stages.work.spark, stats, files, names, owner)


def _mentions_written(stages: Stages) -> int:
    return len(stages.files.map("gazetteer.entity"))


def _starts(lengths: Sequence[int]) -> list[int]:
    return [int(bound) for bound in offsets(lengths)]
