"""Find the families of an index: near-equal documents whose names differ in a date or version.

Documents with a date (`when`) are compared if their paths, or titles with a date in one folder, are
equal without dates, version numbers and words such as "final". They are versions of each other if
their texts share a band of their MinHash signatures (hashes of pairs of words, without numbers).
Rows of two tables are compared if the paths of the tables are equal in this way and the first cells
of the rows (such as product names) are equal; a cell that occurs twice in a table makes no family.
In front matter, `version_of: none` excludes a file, `version_of: NAME` joins files with any names
and texts, and `successor: PATH` names the next version. Only the first chunks of a document are
compared, so a long document takes no longer. If no other document has the same name in this sense,
only a document's name is read; without a date, nothing is read.
"""

from __future__ import annotations

import posixpath
import re
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, Ints, Mask, offsets, ranges
from graphagg.graph.csr import Csr
from graphagg.minhash.bands import write_keys
from graphagg.minhash.signatures import Hashes, HashFamily, mix, signatures
from graphagg.rag.documents.dates import CHANGED, DATED_BY, NUMBER, stage, undated, version_number
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.passages import TRAIL
from graphagg.rag.documents.reading.document import suffix_of
from graphagg.rag.documents.value_types import parse_instant
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.families import NUMBERED, components
from graphagg.rag.tables.segments import PassageTable
from graphagg.store.writing import ArrayWriter

_LENGTH, _BANDS, _ROWS = 2, 32, 3  # words of a shingle; bands find .98 of pairs with similarity .5
_CHUNKS = 8  # number of chunks of a document that are compared
_AT_ONCE = 1024  # documents per batch
_NONE = ("none", "false", "no")
_TABLES = (".csv", ".tsv")  # rows of these files are compared; rows of JSON may be chat messages
_DATED = f'"{WHEN}"'.encode()
_STATED = (b'"version_of"', b'"successor"')
_COLUMNS = 2 * _BANDS + 2  # links by path, title, stated family and successor


@dataclass(frozen=True)
class DocumentVersion:
    """One version of a document.

    Attributes:
        document: id of the document.
        title: title of the document.
        when: date of the version, ISO 8601.
        dated_by: the source of the date: a metadata key, `file name`, `folder`, `title`, `text` or
            `time of change`; "" for a `when` that the caller gave.
    """

    document: str
    title: str
    when: str
    dated_by: str = ""


def listed_versions(snapshot: PassageSnapshot) -> list[list[DocumentVersion]]:
    """Return the families of an index in id order; the oldest version of each comes first."""
    families, listed = snapshot.families, []
    seen = set[int]()
    for first in range(len(families.when)):
        row = int(families.rows_of(first)[0])
        members = families.versions(row, snapshot.alive)
        if members and seen.isdisjoint(members):
            seen |= set(members)
            listed.append([_version(snapshot, families.rows_of(m)) for m in members])
    return listed


def _version(snapshot: PassageSnapshot, rows: Ints) -> DocumentVersion:
    passage = next(snapshot.corpus[row] for row in rows.tolist() if snapshot.alive[row])
    title, metadata = passage.title.partition(TRAIL)[0], passage.metadata
    name = passage.document or passage.id
    return DocumentVersion(name, title, str(metadata[WHEN]), str(metadata.get(DATED_BY, "")))


class _Documents:
    """The first chunks of the documents of some tables of passages."""

    def __init__(self, tables: Sequence[PassageTable], alive: Mask) -> None:
        self.tables, self.alive = tables, alive
        self.starts = offsets([len(table) for table in tables])
        self.stated: dict[int, dict[str, Any]] = {}  # metadata of documents with a namesake

    def name(self, row: int) -> str:
        table, i = self._at(row)
        return table.documents[i] or table.ids[i]

    def _at(self, row: int) -> tuple[PassageTable, int]:
        segment = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.tables[segment], row - int(self.starts[segment])

    def candidates(self) -> list[tuple[int, str, str]]:
        """Return row, path name and title name of the documents that may have versions."""
        rows, keys, stating = array("q"), array("Q"), set[int]()
        in_tables: dict[str, list[int]] = {}
        for start, table in zip(self.starts.tolist(), self.tables, strict=False):
            has_metadata = np.diff(table.metadata.offsets) > len(_DATED)
            firsts = np.flatnonzero((table.positions == 0) & has_metadata)
            for i in firsts[self.alive[start + firsts]].tolist():
                raw = table.metadata.raw(i)
                if _DATED not in raw:
                    continue
                if file := _table_of(table.documents[i] or table.ids[i]):
                    in_tables.setdefault(file, []).append(start + i)
                else:
                    path, title = self._names(table, i)
                    rows.append(start + i)
                    keys.extend((_hash(path), _hash(title) if title else 0))
                if any(key in raw for key in _STATED) and b'"path"' in raw:
                    stating.add(start + i)
        pairs = np.frombuffer(keys, np.uint64).reshape(-1, 2)
        values, counts = np.unique(pairs[pairs > 0], return_counts=True)
        shared = np.isin(pairs, values[counts > 1]).any(axis=1)
        found = set(np.frombuffer(rows, np.int64)[shared].tolist()) | stating
        stems = Counter(map(_stem, in_tables))
        found |= {r for file, rs in in_tables.items() if stems[_stem(file)] > 1 for r in rs}
        named = {name for row in stating for name in self.successor(row)}
        found |= {row for row in rows if self.name(row) in named} if named else set()
        return [(row, *self._names(*self._at(row))) for row in sorted(found) if self._is_dated(row)]

    def _names(self, table: PassageTable, i: int) -> tuple[str, str]:
        name = table.documents[i] or table.ids[i]
        folder = posixpath.dirname(name)
        if suffix_of(folder):  # a row of a table, or a part of an email
            first_cell = table.texts[i].partition("\n")[0]
            return name, f"{_stem(folder)}\n{first_cell}" if _table_of(name) else ""
        title = table.titles[i].partition(TRAIL)[0]
        plain = undated(title) if any(map(str.isdigit, title)) else title
        by_title = "" if plain == title else f"{undated(folder)}\n{plain}"
        return _stem(name), by_title if len(plain) > 3 else ""

    def _is_dated(self, row: int) -> bool:
        table, i = self._at(row)
        self.stated[row] = metadata = table.metadata_of(i)
        return (
            self.instant(row) is not None
            and str(metadata.get("version_of", "")).lower() not in _NONE
        )

    def instant(self, row: int) -> int | None:
        when = self.stated[row].get(WHEN)
        return parse_instant(when) if isinstance(when, str) else None

    def successor(self, row: int) -> list[str]:
        """Return possible paths of a stated successor: relative to the file, or to the root."""
        stated = self.stated.get(row) or self._at(row)[0].metadata_of(self._at(row)[1])
        path = str(stated.get("successor") or "")
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(self.name(row)), path))
        return [beside, path] if path else []

    def chunks(self, names: Sequence[str]) -> dict[str, list[int]]:
        """Return the rows of documents, sorted by position."""
        rows: dict[bytes, list[tuple[int, int]]] = {name.encode(): [] for name in names}
        for start, table in zip(self.starts.tolist(), self.tables, strict=False):
            columns = zip(table.documents.raws(), table.ids.raws(), strict=True)
            for i, (document, identifier) in enumerate(columns):
                if (name := document or identifier) in rows and self.alive[start + i]:
                    rows[name].append((int(table.positions[i]), start + i))
        return {name.decode(): [row for _, row in sorted(rs)] for name, rs in rows.items()}

    def text(self, rows: Sequence[int]) -> str:
        pieces = (self._at(row) for row in rows[:_CHUNKS])
        return NUMBER.sub(" ", " ".join(table.texts[i] for table, i in pieces))


def _stem(path: str) -> str:
    """Return the path of a file without suffix, dates and versions: equal for all versions."""
    return undated(path.removesuffix(suffix_of(path)))


def _table_of(name: str) -> str:
    """Return the path of the table that a document is a row of; "" if it is not a row."""
    folder = posixpath.dirname(name)
    return folder if suffix_of(folder) in _TABLES else ""


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little") or 1


def write_families(writer: ArrayWriter, tables: Sequence[PassageTable], alive: Mask) -> None:
    """Write the families of the passages of a new version; see `Families`."""
    documents = _Documents(tables, alive)
    found = documents.candidates()
    names = [documents.name(row) for row, *_ in found]
    chunks = documents.chunks(names) if found else {}
    links = np.zeros((len(found), _COLUMNS), np.uint64)
    for low in range(0, len(found), _AT_ONCE):
        some = slice(low, low + _AT_ONCE)
        texts = [documents.text(chunks[name]) for name in names[some]]
        links[some, :-2] = _links_by_name([each[1:] for each in found[some]], texts)
    number = {name: i for i, name in enumerate(names)}
    successor = np.full(len(found), -1, np.int32)
    for i, (row, *_) in enumerate(found):
        if family := documents.stated[row].get("version_of"):
            links[i] = 0
            links[i, -2] = _hash(f"version of {family}")
        successor[i] = next((number[s] for s in documents.successor(row) if s in number), -1)
    for i in np.flatnonzero(successor >= 0).tolist():  # all who name a successor share its link
        links[[i, successor[i]], -1] = links[successor[i], -1] or _hash(names[successor[i]])
    _write(writer, documents, found, chunks, links, successor)


def _links_by_name(names: Sequence[tuple[str, str]], texts: Sequence[str]) -> Array:
    """Return `[n, 2 * bands]`: one number per band and name; 0 if text or name is empty."""
    sig, has_words = text_signatures(texts, _LENGTH, _BANDS * _ROWS)
    keys = np.empty((_BANDS, len(texts)), np.uint32)
    write_keys(sig, 0, 0, _BANDS, _ROWS, keys)
    packed = keys.T.astype(np.uint64) | np.arange(_BANDS, dtype=np.uint64) << np.uint64(32)
    hashes = np.array([[_hash(n) if n else 0 for n in pair] for pair in names], np.uint64)
    mixed = (packed * np.uint64(0x9E3779B97F4A7C15))[:, None] ^ hashes[:, :, None]
    is_linked = has_words[:, None] & (hashes > 0)
    return np.where(is_linked[:, :, None], mixed, np.uint64(0)).reshape(len(texts), -1)


def _write(
    writer: ArrayWriter, documents: _Documents, found: Sequence[tuple[int, str, str]],
    chunks: dict[str, list[int]], links: Array, successor: Array,
) -> None:  # fmt: skip
    """Write the documents of families with at least two members, sorted by family and id."""
    names = [documents.name(row) for row, *_ in found]
    labels = components(links)
    is_member = np.bincount(labels, minlength=len(found))[labels] > 1
    by_name = sorted(np.flatnonzero(is_member).tolist(), key=lambda i: names[i].encode())
    first: dict[int, int] = {}
    for place, i in enumerate(by_name):
        first.setdefault(int(labels[i]), place)
    members = np.array(sorted(by_name, key=lambda i: first[int(labels[i])]), np.int64)
    places = np.full(len(found) + 1, -1, np.int32)
    places[members], by_family = np.arange(len(members)), members.tolist()
    member = np.full(len(documents.alive), -1, np.int32)
    for number, i in enumerate(by_family):
        member[chunks[names[i]]] = number
    rows = [found[i][0] for i in by_family]
    stated = [documents.stated[row] for row in rows]
    paths = [names[i].removesuffix(suffix_of(names[i])) for i in by_family]  # not `.2.pdf`
    columns = {
        "member": member,
        "bounds": np.append(np.flatnonzero(np.diff(labels[members], prepend=-1)), len(members)),
        "when": np.array([documents.instant(row) for row in rows], np.int64),
        "changed": np.array([each.get(DATED_BY) == CHANGED for each in stated], np.bool_),
        "version": np.array([NUMBERED * version_number(p) + stage(p) + 1 for p in paths], np.int64),
        "successor": places[successor[members]],
        "file": np.array([_hash(_table_of(names[i]) or names[i]) for i in by_family], np.uint64),
        "links": links[members],
    }
    for name, values in columns.items():
        writer.array(f"families.{name}", values)


_SEED = 1
_WORD = re.compile("[0-9a-z\x80-\U0010ffff]+")
_FACTORS = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


def text_signatures(texts: Sequence[str], length: int, permutations: int) -> tuple[Array, Array]:
    """Return signatures `[n, permutations]` uint16, and a mask `[n]` of the texts with words.

    A shingle is `length` words, or all words of a shorter text, hashed to 64 bits.
    """
    words = [_WORD.findall(text.casefold()) for text in texts]
    counts = np.array(list(map(len, words)), np.int64)
    numbers = {word: _hash_of(word) for word in {*chain.from_iterable(words)}}
    units = np.array([numbers[word] for word in chain.from_iterable(words)], np.uint64)
    sizes = np.where(counts > 0, np.maximum(counts - length + 1, 1), 0)
    ends, text = np.cumsum(counts), np.repeat(np.arange(len(texts)), sizes)
    begins, state = ranges(ends - counts, sizes), np.zeros(len(text), np.uint64)
    for place in range(length):
        inside = begins + place < ends[text]
        state[inside] = _mixed(state[inside] + units[begins[inside] + place])
    tokens = mix((state >> np.uint64(32)).astype(np.uint32))
    rows = Csr(offsets(sizes), np.arange(len(state), dtype=np.int32), None, len(state))
    family = Hashes.of(tokens, False, HashFamily(permutations, _SEED))
    return signatures(rows, family), counts > 0


def _hash_of(word: str) -> int:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Apply a 64-bit bijection that spreads neighboring values (the finalizer of MurmurHash3)."""
    for factor in _FACTORS:
        values = (values ^ (values >> np.uint64(33))) * np.uint64(factor)
    return values ^ (values >> np.uint64(33))
