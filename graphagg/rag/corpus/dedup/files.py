"""Removal of near duplicates from a file or folder of documents, with reasons."""

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
from graphagg.rag.config.corpus import DedupConfig
from graphagg.rag.corpus.dedup.pairs import (
    KeptTexts,
    NearDuplicates,
    ShingleSets,
    choose,
    near_duplicates,
    shingles,
)
from graphagg.rag.documents.passages import Passage, read_passages
from graphagg.rag.documents.rows import RowConfig
from graphagg.store.npy import map_array
from graphagg.store.ranges import GrowingFile

_TEXTS_AT_ONCE = 4096


@dataclass(frozen=True)
class DedupReport:
    """Counts of kept and removed texts.

    Attributes:
        texts: texts that were read.
        kept: texts that stay.
        equal: texts removed because another has exactly the same shingles.
        near: texts removed because another is similar.
        groups: groups of at least two near duplicates.
        pairs: pairs of near duplicates that were found, equal texts as one.
        buckets_cut: buckets too long for all of their pairs to be compared.

    Examples:
        >>> report = DedupReport(3, 2, 1, 0, 1, 0, 0)
        >>> report.texts - report.kept
        1
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
    progress: Progress = silent,
) -> DedupReport:
    """Write the documents of a file or folder without near duplicates.

    The source is read twice: texts are not held in memory.

    Args:
        source: what `read_passages` takes.
        out: a file of JSON lines (`.jsonl`), with the fields of a passage.
        config: when two texts are near duplicates.
        columns: names of a table's columns.
        dropped: a file of JSON lines: each dropped text, the text that is kept instead, and their
            similarity.
        progress: called with stage, done, total.

    Raises:
        UnreadableFile, InvalidPassage, EmptyCorpus: about the source.
        InvalidParameter: `out` has another suffix.

    Examples:
        >>> from tempfile import mkdtemp
        >>> folder = Path(mkdtemp())
        >>> for name, text in {"a": "The abbey of 1105.", "b": "the abbey, of 1105"}.items():
        ...     _ = (folder / f"{name}.txt").write_text(text)
        >>> report = dedup(folder, folder / "kept" / "texts.jsonl")
        >>> report.texts, report.kept, report.equal
        (2, 1, 1)
    """
    config = config or DedupConfig()
    if out.suffix != ".jsonl":
        raise InvalidParameter(f"out is {out}, wanted a name that ends in .jsonl")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".dedup-") as folder:
        # The ids of ten million texts take more memory than everything that compares them.
        ids: list[str] | None = None if dropped is None else []
        sets = _read(read_passages(source, columns), config, Path(folder), ids, progress)
        pairs = near_duplicates(sets, config)
        choice = choose(pairs, np.diff(sets.bounds))
        progress("pairs", len(pairs.first), len(pairs.first))
        if dropped is not None:
            _write_lines(dropped, _dropped_lines(choice, pairs, ids or []))
        passages = zip(read_passages(source, columns), choice.kept, strict=True)
        rows = (vars(passage) for passage, is_kept in passages if is_kept)
        _write_lines(out, ({n: v for n, v in p.items() if v or n == "text"} for p in rows))
    return _report(choice, pairs)


def _report(choice: KeptTexts, pairs: NearDuplicates) -> DedupReport:
    """Count kept and removed texts."""
    n = len(choice.kept)
    equal = int(np.count_nonzero(pairs.equal != np.arange(n)))
    kept = int(np.count_nonzero(choice.kept))
    sizes = np.bincount(choice.group, minlength=n)
    groups = int(np.count_nonzero(sizes > 1))
    return DedupReport(n, kept, equal, n - kept - equal, groups, len(pairs.first), pairs.cut)


def _read(
    passages: Iterable[Passage],
    config: DedupConfig,
    folder: Path,
    ids: list[str] | None,
    progress: Progress,
) -> ShingleSets:
    """Read the shingles of all texts into a mapped file; `ids`, if not None, is filled."""
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
    return ShingleSets(offsets(np.concatenate(lengths)), map_array(folder / "shingles.npy"))


def _dropped_lines(
    choice: KeptTexts, pairs: NearDuplicates, ids: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for i in np.flatnonzero(~choice.kept).tolist():
        kept_id, equal = ids[choice.of[i]], bool(pairs.equal[i] != i)
        why = "the same shingles as an earlier text" if equal else f"a near duplicate of {kept_id}"
        yield {
            "id": ids[i],
            "kept": kept_id,
            "similarity": round(float(choice.similarity[i]), 6),
            "group": ids[choice.group[i]],
            "why": why,
        }


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
