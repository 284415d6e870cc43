"""Removal of near duplicates from a file or folder of documents, with reasons.

A text is a set of shingles: runs of k words, by their 64-bit hashes, regardless of case and
spacing. The largest texts come first, of equal ones the earlier. A text goes if a kept text before
it is a near duplicate: one of the same shingles, or among the first `BUCKET` texts of one of its
buckets of the LSH tables (`graphagg.minhash.bands`). Similarities are exact, so every removed text
has a kept text at the threshold.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Doubles, Ints, offsets, ranges
from graphagg.errors import EmptyCorpus, InvalidParameter
from graphagg.graph.csr import Csr
from graphagg.kernels import kernel
from graphagg.minhash.bands import BandTables, bucket, build_tables, key_of
from graphagg.minhash.signatures import Hashes, HashFamily, mix, signatures
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import DedupConfig
from graphagg.rag.documents.passages import Passage, read_passages
from graphagg.rag.documents.rows import RowConfig
from graphagg.store.npy import map_array
from graphagg.store.ranges import GrowingFile

BUCKET = 64
"""Texts of a bucket that a text is compared with at most."""
_SEED = 1
_TEXTS_AT_ONCE = 4096
_WORD = re.compile("[0-9a-z\x80-\U0010ffff]+")
_FACTORS = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


@dataclass(frozen=True)
class DedupReport:
    """Counts of kept and removed texts.

    Attributes:
        texts: texts that were read.
        kept: texts that stay.
        equal: texts removed because another has exactly the same shingles.
        near: texts removed because another is similar.

    Examples:
        >>> report = DedupReport(3, 2, 1, 0)
        >>> report.texts - report.kept
        1
    """

    texts: int
    kept: int
    equal: int
    near: int


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
        # The ids of ten million texts take more memory than all that is compared.
        ids: list[str] | None = None if dropped is None else []
        sets = _read(read_passages(source, columns), config, Path(folder), ids, progress)
        replaced_by, similarity = near_duplicates(sets, config)
        is_kept = replaced_by == np.arange(len(replaced_by))
        if ids is not None and dropped is not None:
            _write_lines(dropped, _dropped_lines(ids, replaced_by, similarity))
        passages = zip(read_passages(source, columns), is_kept.tolist(), strict=True)
        rows = (vars(passage) for passage, stays in passages if stays)
        _write_lines(out, ({n: v for n, v in p.items() if v or n == "text"} for p in rows))
    equal = int(np.count_nonzero(~is_kept & (similarity == 1.0)))
    kept = int(np.count_nonzero(is_kept))
    return DedupReport(len(is_kept), kept, equal, len(is_kept) - kept - equal)


def _read(
    passages: Iterable[Passage],
    config: DedupConfig,
    folder: Path,
    ids: list[str] | None,
    progress: Progress,
) -> TextSets:
    """Read shingles and signatures of all texts into mapped files; fill `ids` unless it is None."""
    hashes = GrowingFile(folder / "shingles.npy", np.uint64)
    sig = GrowingFile(folder / "signatures.npy", np.uint16, width=(config.permutations,))
    lengths, count, iterator = list[Ints](), 0, iter(passages)
    while batch := list(islice(iterator, _TEXTS_AT_ONCE)):
        count += len(batch)
        if ids is not None:
            ids.extend(passage.id for passage in batch)
        some = text_sets([passage.text for passage in batch], config)
        hashes.append(some.hashes)
        sig.append(some.signatures)
        lengths.append(np.diff(some.bounds))
        progress("texts", count, count)
    hashes.close()
    sig.close()
    if not count:
        raise EmptyCorpus("no passage in it, wanted one at least; check the file")
    files = (map_array(folder / f"{name}.npy") for name in ("shingles", "signatures"))
    return TextSets(offsets(np.concatenate(lengths)), *files)


def _dropped_lines(
    ids: Sequence[str], replaced_by: Ints, similarity: Doubles
) -> Iterator[dict[str, Any]]:
    for i in np.flatnonzero(replaced_by != np.arange(len(ids))).tolist():
        kept, score = ids[replaced_by[i]], float(similarity[i])
        why = "the same shingles as another text" if score == 1.0 else f"a near duplicate of {kept}"
        yield {"id": ids[i], "kept": kept, "similarity": round(score, 6), "why": why}


def _write_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


Shingles = npt.NDArray[np.uint64]


class TextSets(NamedTuple):
    """The shingles of some texts; text i has the hashes from `bounds[i]` to `bounds[i + 1]`.

    Attributes:
        bounds: `[n + 1]` int64.
        hashes: uint64, ascending and distinct in each text.
        signatures: `[n, K]` uint16, by the high halves of the hashes.
    """

    bounds: Ints
    hashes: Shingles
    signatures: Array

    def of(self, i: int) -> Shingles:
        """The shingles of a text."""
        return self.hashes[self.bounds[i] : self.bounds[i + 1]]


def text_sets(texts: Sequence[str], config: DedupConfig) -> TextSets:
    """Shingles and signatures of texts; a text without a word has no shingle."""
    words = [_WORD.findall(text.casefold()) for text in texts]
    counts = np.array(list(map(len, words)), np.int64)
    units = np.fromiter(
        map(_hash_of.__getitem__, chain.from_iterable(words)), np.uint64, int(counts.sum())
    )
    sizes = np.where(counts > 0, np.maximum(counts - config.length + 1, 1), 0)
    ends, text = np.cumsum(counts), np.repeat(np.arange(len(texts)), sizes)
    begins, state = ranges(ends - counts, sizes), np.zeros(len(text), np.uint64)
    for place in range(config.length):
        inside = begins + place < ends[text]
        state[inside] = _mixed(state[inside] + units[begins[inside] + place])
    for start, end in pairwise(offsets(sizes).tolist()):
        state[start:end].sort()
    is_new = np.ones(len(text), np.bool_)
    is_new[1:] = (np.diff(text) > 0) | (state[1:] != state[:-1])
    bounds, hashes = offsets(np.bincount(text[is_new], minlength=len(texts))), state[is_new]
    tokens = mix((hashes >> np.uint64(32)).astype(np.uint32))
    rows = Csr(bounds, np.arange(len(hashes), dtype=np.int32), None, len(hashes))
    family = Hashes.of(tokens, False, HashFamily(config.permutations, _SEED))
    return TextSets(bounds, hashes, signatures(rows, family))


class _WordHashes(dict[str, int]):
    """Hashes of the words that were read so far."""

    def __missing__(self, word: str) -> int:
        digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        self[word] = value = int.from_bytes(digest, "little")
        return value


_hash_of = _WordHashes()


def _mixed(values: Shingles) -> Shingles:
    """A bijection of 64 bits that spreads neighboring values (the finalizer of MurmurHash3)."""
    for factor in _FACTORS:
        values = (values ^ (values >> np.uint64(33))) * np.uint64(factor)
    return values ^ (values >> np.uint64(33))


def near_duplicates(sets: TextSets, config: DedupConfig) -> tuple[Ints, Doubles]:
    """For each text the text that is kept instead of it, or itself; and their similarity, `[n]`."""
    sizes, n = np.diff(sets.bounds), len(sets.signatures)
    order = np.lexsort((np.arange(n), -sizes))
    filled, digests = sizes > 0, np.zeros(n, np.uint64)
    digests[filled] = np.add.reduceat(sets.hashes, sets.bounds[:-1][filled])
    _, first, same = np.unique(digests[order], return_index=True, return_inverse=True)
    sig = sets.signatures.take(order, axis=0)
    tables, _ = build_tables(sig, filled[order], range(config.bands), config.rows, BUCKET)
    kept, score = np.empty(n, np.int64), np.empty(n)
    _choose(tables, sig, order, first[same], sets[:2], config.threshold, kept, score)
    replaced_by, similarity = np.empty(n, np.int64), np.empty(n)
    replaced_by[order], similarity[order] = order[kept], score
    return replaced_by, similarity


@kernel
def _choose(
    tables: BandTables, sig: Array, order: Ints, twins: Ints, sets: Any, threshold: float,
    kept: Ints, score: Doubles,
) -> None:  # fmt: skip
    """Find the kept text that is most similar to each, in the order of the texts; else itself.

    `twins` is the first text of equal shingles. Texts of a bucket ascend.
    """
    bounds, hashes = sets
    compared = np.full(len(order), -1)
    for i in range(len(order)):
        kept[i], score[i] = i, 1.0
        if bounds[order[i]] == bounds[order[i] + 1]:  # a text without a word is like no other
            continue
        if twins[i] < i:
            kept[i] = kept[twins[i]]
            score[i] = _jaccard(bounds, hashes, order[i], order[kept[i]])
            continue
        best = threshold
        for band in range(len(tables.directory)):
            key = np.uint64(key_of(sig[i], band * tables.rows, tables.rows))
            low, end = bucket(tables, sig, band, key)
            stop = min(end, low + BUCKET)
            while low < stop and tables.ids[low] < i:
                j = tables.ids[low]
                if np.uint64(key_of(sig[j], band * tables.rows, tables.rows)) != key:
                    break
                if kept[j] == j and compared[j] != i:
                    compared[j] = i
                    similarity = _jaccard(bounds, hashes, order[i], order[j])
                    if similarity > best or (similarity == best and kept[i] == i):
                        kept[i], score[i], best = j, similarity, similarity
                low += 1


@kernel
def _jaccard(bounds: Array, hashes: Array, first: int, second: int) -> float:
    """The exact similarity of two texts."""
    a, a_end = bounds[first], bounds[first + 1]
    b, b_end = bounds[second], bounds[second + 1]
    sizes, shared = a_end - a + b_end - b, 0
    while a < a_end and b < b_end:
        if hashes[a] == hashes[b]:
            shared += 1
            a += 1
            b += 1
        elif hashes[a] < hashes[b]:
            a += 1
        else:
            b += 1
    return float(shared / (sizes - shared))
