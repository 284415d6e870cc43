"""Near duplicates of a file or folder of documents: what is kept is written, and why."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.arrays import offsets
from graphagg.errors import EmptyCorpus, InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.config.dedup import DedupConfig
from graphagg.rag.corpus.dedup.choice import Choice, choose
from graphagg.rag.corpus.dedup.pairs import Pairs, near_duplicates
from graphagg.rag.corpus.dedup.shingles import Sets, shingles
from graphagg.rag.documents.passages import Passage, read_passages
from graphagg.rag.documents.rows import RowConfig
from graphagg.store.ranges import GrowingFile
from graphagg.store.reading import map_array

_TEXTS_AT_ONCE = 4096


@dataclass(frozen=True)
class DedupReport:
    """What became of the texts.

    Attributes:
        texts: that were read.
        kept: of them.
        equal: that went because another has the very same shingles.
        near: that went because another is like them.
        groups: of two texts and more.
        pairs: of near duplicates that were found, equal texts as one.
        buckets_cut: buckets so long that not all of their pairs were compared.
    """

    texts: int
    kept: int
    equal: int
    near: int
    groups: int
    pairs: int
    buckets_cut: int


def dedup(
    source: Path,
    out: Path,
    config: DedupConfig | None = None,
    *,
    columns: RowConfig | None = None,
    dropped: Path | None = None,
    pairs: Path | None = None,
    progress: Progress = silent,
) -> DedupReport:
    """Write the documents of a file or folder without near duplicates.

    The source is read twice: texts are not held in memory.

    Args:
        source: what `read_passages` takes.
        out: `.jsonl` or `.parquet`, with the fields of a passage.
        config: what counts as a near duplicate.
        columns: which columns of a table are what.
        dropped: a file of JSON lines: each text that goes, which is kept in its place, how alike
            they are.
        pairs: a file of JSON lines: all pairs that were found.
        progress: called with a stage, how much of it is done, and of how much.

    Raises:
        UnreadableFile, InvalidPassage, EmptyCorpus: about the source.
        InvalidParameter: `out` has another suffix.
    """
    config = config or DedupConfig()
    if out.suffix not in (".jsonl", ".parquet"):
        raise InvalidParameter(f"out is {out}, wanted a name that ends in .jsonl or .parquet")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".dedup-") as folder:
        # Of ten million texts the ids take more memory than all that compares them.
        ids: list[str] | None = None if dropped is None and pairs is None else []
        sets = _read(read_passages(source, columns), config, Path(folder), ids, progress)
        found = near_duplicates(sets, config)
        choice = choose(found, np.diff(sets.bounds))
        progress("pairs", len(found.first), len(found.first))
        if dropped is not None:
            _write_lines(dropped, _dropped_lines(choice, found, ids or []))
        if pairs is not None:
            _write_lines(pairs, _pair_lines(found, ids or []))
        kept = (
            passage
            for passage, keep in zip(read_passages(source, columns), choice.kept, strict=True)
            if keep
        )
        (_write_parquet if out.suffix == ".parquet" else _write_jsonl)(out, kept)
    return report_of(choice, found)


def keep_of(texts: Sequence[str], config: DedupConfig) -> tuple[list[int], DedupReport]:
    """The places of the texts that stay, and what became of the others."""
    sets = shingles(texts, config)
    found = near_duplicates(sets, config)
    choice = choose(found, np.diff(sets.bounds))
    return np.flatnonzero(choice.kept).tolist(), report_of(choice, found)


def report_of(choice: Choice, found: Pairs) -> DedupReport:
    """Counts."""
    n = len(choice.kept)
    equal = int(np.count_nonzero(found.equal != np.arange(n)))
    kept = int(np.count_nonzero(choice.kept))
    sizes = np.bincount(choice.group, minlength=n)
    groups = int(np.count_nonzero(sizes > 1))
    return DedupReport(n, kept, equal, n - kept - equal, groups, len(found.first), found.cut)


def _read(
    passages: Iterable[Passage],
    config: DedupConfig,
    folder: Path,
    ids: list[str] | None,
    progress: Progress,
) -> Sets:
    """The shingles of all texts, mapped; `ids` is filled where it is given."""
    file, lengths, count = GrowingFile(folder / "shingles.npy", np.uint64), [], 0
    iterator = iter(passages)
    while batch := list(islice(iterator, _TEXTS_AT_ONCE)):
        count += len(batch)
        if ids is not None:
            ids.extend(passage.id for passage in batch)
        some = shingles([passage.text for passage in batch], config)
        file.append(some.hashes)
        lengths.append(np.diff(some.bounds))
        progress("texts", count, count)
    file.close()
    if not count:
        raise EmptyCorpus("no passage in it, wanted one at least; check the file")
    return Sets(offsets(np.concatenate(lengths)), map_array(folder / "shingles.npy"))


# --- writing -------------------------------------------------------------------------------------


def _dropped_lines(choice: Choice, found: Pairs, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    for i in np.flatnonzero(~choice.kept).tolist():
        kept, equal = ids[choice.of[i]], bool(found.equal[i] != i)
        why = "the same shingles as an earlier text" if equal else f"a near duplicate of {kept}"
        yield {
            "id": ids[i],
            "kept": kept,
            "similarity": round(float(choice.similarity[i]), 6),
            "group": ids[choice.group[i]],
            "why": why,
        }


def _pair_lines(found: Pairs, ids: Sequence[str]) -> Iterator[dict[str, Any]]:
    for first, second, similarity in zip(*found[:3], strict=True):
        yield {"a": ids[first], "b": ids[second], "similarity": round(float(similarity), 6)}


def _record(passage: Passage) -> dict[str, Any]:
    """The fields that a passage has."""
    fields = {
        "id": passage.id, "title": passage.title, "text": passage.text,
        "document": passage.document, "position": passage.position,
        "metadata": dict(passage.metadata),
    }  # fmt: skip
    return {name: value for name, value in fields.items() if value or name in ("id", "text")}


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _write_jsonl(path: Path, passages: Iterable[Passage]) -> None:
    _write_lines(path, map(_record, passages))


def _write_parquet(path: Path, passages: Iterable[Passage]) -> None:
    """Passages as rows; metadata as JSON would have other types from row to row: keys are columns.

    A value that is no string, number or truth value is written as its JSON.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    batches = []
    iterator = map(_record, passages)
    while records := list(islice(iterator, _TEXTS_AT_ONCE)):
        flat = [_flat(record) for record in records]
        names = dict.fromkeys(name for record in flat for name in record)
        rows = [{name: record.get(name) for name in names} for record in flat]
        batches.append(pa.Table.from_pylist(rows))
    pq.write_table(pa.concat_tables(batches, promote_options="permissive"), path)


def _flat(record: dict[str, Any]) -> dict[str, Any]:
    metadata = record.pop("metadata", {})
    plain = {
        key: value if isinstance(value, str | int | float | None) else json.dumps(value)
        for key, value in metadata.items()
    }
    return plain | record
