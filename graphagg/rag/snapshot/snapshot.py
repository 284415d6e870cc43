"""One opened version of a passage index: its parts, and its views."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property, lru_cache, partial
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter, UnknownPassage, UnsupportedFormat
from graphagg.nearest.vectors import Rows
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.config.profile import CODE_WEIGHTS, WEIGHTS, Profile
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.filters import Predicate, compile_filter
from graphagg.rag.documents.metadata import WHEN, MetadataTable
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.documents.value_types import NEVER, ValueType, merge_schemas
from graphagg.rag.models.by_name import IndexModels, names_of
from graphagg.rag.models.chunking import ChunkConfig
from graphagg.rag.models.encoding.center import known_share
from graphagg.rag.models.packaged import DEFAULT_ENCODER
from graphagg.rag.models.static.encoder import STATIC_ENCODER
from graphagg.rag.question.request import Selection
from graphagg.rag.snapshot.layout import check_layout
from graphagg.rag.snapshot.search import DenseIndex
from graphagg.rag.tables.families import Families
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.lexicon import POSTINGS, Lexicon
from graphagg.rag.tables.segments import Segment, StoredCorpus, table_name
from graphagg.rag.tables.view import STORED, View
from graphagg.store import Artifact
from graphagg.store.manifest import damaged
from graphagg.store.ranges import at_random
from graphagg.store.strings import StringTable

Mask = npt.NDArray[np.bool_]
T = TypeVar("T")

KIND = "passages"
REVISION = 28  # increased when the same corpus and models result in a different index
_CACHED_ROWS = 4096  # ids whose rows are cached
_FOREIGN = 0.5  # scales similarity weights for foreign languages in profile `fast`
SAMPLE = 256  # number of passages whose vectors are compared
_CODE_SAMPLE = 32  # number of passages whose characters are counted
_CODE_SIGNS, _CODE_SHARE = re.compile(rb"[(){}\[\]=;_<>]"), 0.05  # minimum share in code
_LEAST_KNOWN = 0.16  # cosines are ignored if the known share is smaller
_CACHED = 12  # number of cached views, filter masks and other results (LRU)


class PassageSnapshot:
    """The parts of one version; safe to read from several threads.

    Attributes:
        models: models for questions and new passages, loaded at first use.
        profile: profile of the index.
        columns: field names from which the build read the passages.
        listed: names that the user listed, if any.
        by_id: the visible rows in the order of their ids.
        families: documents that are versions of each other.
        is_restricted: whether only a part of the version is visible; see `restricted`.
    """

    is_restricted = False
    missing: tuple[str, ...] = ()  # addresses of parts that do not respond

    def __init__(self, artifact: Artifact, models: IndexModels | None = None) -> None:
        revision = artifact.manifest.parameters.get("revision")
        if revision != REVISION:
            raise UnsupportedFormat(
                f"{artifact.directory}: revision {revision}, expected {REVISION}; build the index "
                "again: graphagg rag index INPUT --out INDEX (10^6 passages: half a CPU hour with "
                "profile fast, four with standard)"
            )
        self.artifact = artifact
        self.models = models or IndexModels(artifact, None, None)
        check_layout(artifact)
        count = artifact.manifest.counts["segments"]
        self.corpus = StoredCorpus([Segment.open(artifact, i) for i in range(count)])
        artifact.declare((), [s.search.check for s in self.corpus.segments if s.search])
        self.tables = [
            MetadataTable.open(artifact, table_name(i), len(segment.passages))
            for i, segment in enumerate(self.corpus.segments)
        ]
        self._open_orders(artifact.array)
        self.gazetteer = Gazetteer.open(artifact)
        tables = [segment.passages.metadata for segment in self.corpus.segments]
        has_metadata = any(int(t.offsets[-1]) > len("{}") * len(t) for t in tables)
        self.lexicon = Lexicon.open(artifact, has_metadata)
        self._read_parameters(artifact)
        self.dense = DenseIndex(self.corpus, self.ranks)
        is_large = self.dense.is_large
        if is_large:  # a query reads only a few of many passages
            words = [vars(self.lexicon)[name] for name in POSTINGS]
            at_random([self.corpus.segments, self.gazetteer, self.lexicon.terms, words])
            at_random([self.ranks, self.by_id, self._by_text, self.families.member])
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, str], Any] = OrderedDict()
        # Map the files now: the folder may be moved or replaced before the first query.
        self._all = View.open(artifact, self.gazetteer, self.lexicon, self.alive)
        if is_large:
            at_random([getattr(self._all, name) for name in STORED])

    def _read_parameters(self, artifact: Artifact) -> None:
        """Read the settings of the build."""
        parameters = artifact.manifest.parameters
        language, chunking = parameters["language"], parameters["chunking"]
        if not isinstance(language, str):
            raise damaged(artifact.folder, f"language is {language!r}, expected a language code")
        self.analyzers = Analyzers(language)
        self.listed = names_of(artifact.manifest.models["extractor"])
        self.profile: Profile = parameters["profile"]
        self._weights = WEIGHTS[self.profile]
        self.chunking = None if chunking is None else ChunkConfig(**chunking)
        self.columns = RowConfig(*parameters["columns"])

    def _open_orders(self, array: Callable[[str], Any]) -> None:
        """Map orders and families of passages; `array` returns an array by its name."""
        self.alive: Mask = array("rows.alive")
        self.ranks: npt.NDArray[np.int32] = array("rows.rank")
        self.by_id: npt.NDArray[np.int32] = array("rows.by_id")
        self._by_text: npt.NDArray[np.int32] = array("rows.by_text")
        # A query looks up its few ids a dozen times. The function must not refer to this object:
        # a reference cycle would keep the files of a closed version.
        self._row_of = lru_cache(_CACHED_ROWS)(partial(_row_of, self.corpus, self.by_id))
        self.families = Families.open(array)

    def __len__(self) -> int:
        return len(self.by_id)

    def restricted(self, filter: Mapping[str, Any]) -> PassageSnapshot:
        """Return this version as if it contained only the passages that match a filter.

        Other passages are treated as deleted: they have no id, text or metadata, and change
        no score, count or key. Raises `InvalidFilter` for an unknown key or a wrong type.
        """
        key = json.dumps(filter, sort_keys=True)
        make = lambda: self.reduced(self._filtered(self._compiled(filter)))  # noqa: E731
        return self.cached("restricted", key, make)

    def reduced(self, visible: Mask) -> Self:
        """Return this version as if only the passages of a mask `[R]` existed; see `restricted`."""
        part = copy(self)
        part.is_restricted = True
        part.alive = self.alive & visible
        part.by_id = self.by_id[part.alive[self.by_id]]
        part._by_text = self._by_text[part.alive[self._by_text]]
        part._row_of = lru_cache(_CACHED_ROWS)(partial(_row_of, self.corpus, part.by_id))
        part._all = self._view_of(part.alive)
        part._lock, part._cache = threading.Lock(), OrderedDict()
        for name in ("schema", "_documents"):  # cached properties of the alive passages
            vars(part).pop(name, None)
        return part

    def multihop_config(self, view: View) -> MultihopConfig:
        """Return the default settings of mode `multihop` for the visible passages."""
        if not self.is_foreign(view):
            return CODE_WEIGHTS[self.profile] if self.is_code(view) else self._weights
        if self.profile == "fast":  # vectors of the table are alike in every other language
            return self._weights.weighing(_FOREIGN)
        # The cached share holds its view, so that no other view can get the same id.
        _, share = self.cached("known", str(id(view)), lambda: (view, self._known_share(view)))
        return self._weights.knowing(share) if share >= _LEAST_KNOWN else self._weights.word_only

    def is_code(self, view: View) -> bool:
        """Whether most visible passages are source code."""
        return self.cached("code", str(id(view)), lambda: (view, self._reads_as_code(view)))[1]

    def _reads_as_code(self, view: View) -> bool:
        """Whether most passages of a sample contain many brackets and other signs of code."""
        rows = self._evenly(view, _CODE_SAMPLE)
        texts = [b"".join(self.corpus.raw_text(row).split()) for row in rows.tolist()]
        code = sum(len(_CODE_SIGNS.findall(text)) > _CODE_SHARE * len(text) for text in texts)
        return 2 * code > len(texts)

    def _evenly(self, view: View, most: int) -> Rows:
        """Return at most `most` visible rows, evenly spaced in the order of their ids."""
        rows = self.by_id if view is self._all else self.by_id[view.visible[self.by_id]]
        return rows[:: -(-len(rows) // most) or 1].astype(np.int64)

    def _known_share(self, view: View) -> float:
        """Compute `known_share` from the vectors of a sample of the visible passages."""
        rows = self._evenly(view, SAMPLE)
        return known_share(self.corpus.windows.take(self.corpus.window_bounds[rows]))

    def is_foreign(self, view: View) -> bool:
        """Whether most visible passages are in languages unknown to the default encoders."""
        if self.artifact.manifest.models["encoder"]["name"] not in (
            DEFAULT_ENCODER,
            STATIC_ENCODER,
        ):
            return False  # the languages of other encoders are unknown
        counts = view.languages or {self.analyzers.language: view.passages}
        foreign = sum(count for code, count in counts.items() if code != "en")
        return 2 * foreign > view.passages

    @cached_property
    def schema(self) -> dict[str, ValueType]:
        """The keys of the passages' metadata, and their types."""
        if self.alive.all():
            return merge_schemas(table.counts for table in self.tables)
        return merge_schemas(table.counts_among(rows) for table, rows in self.by_table(self.alive))

    def by_table(self, mask: Mask) -> list[tuple[MetadataTable, Mask]]:
        """Split a mask `[R]` by the metadata tables."""
        ends = np.cumsum([table.rows for table in self.tables])
        return list(zip(self.tables, np.split(mask, ends[:-1]), strict=True))

    def row_of(self, identifier: str) -> int | None:
        """Find the row of a passage id; None if the id is unknown. O(log R)."""
        return self._row_of(identifier)

    def known_row(self, identifier: str) -> int:
        """Find the row of a passage id; raises `UnknownPassage` if the id is unknown."""
        row = self.row_of(identifier)
        if row is None:
            raise UnknownPassage(f"passage {identifier!r} is not in the index; check its id")
        return row

    def view_of(self, selection: Selection) -> View:
        """Return the view of a selection of passages.

        Raises `InvalidFilter`, or `InvalidParameter` if `as_of` is set and no passage
        has a date.
        """
        return self.view(None if selection.is_all else self.mask(selection))

    def mask(self, selection: Selection) -> Mask:
        """Return a mask `[R]` of the passages of a selection."""
        mask = np.array(self.alive)
        if selection.filter is not None:
            predicate = self._compiled(selection.filter)
            mask &= self.cached("filter", predicate.key, lambda: self._filtered(predicate))
        if selection.include is not None:
            mask &= self._mask_of_ids(selection.include)
        if selection.exclude:
            mask &= ~self._mask_of_ids(selection.exclude)
        if selection.as_of is not None:
            self.check_dates("as_of")
            mask &= self._instants <= selection.as_of
        return mask

    def _compiled(self, filter: Mapping[str, Any]) -> Predicate:
        """Compile a filter for the metadata of the live passages."""

        def has_dates(key: str) -> bool:
            tables = self.by_table(self.alive)
            return any((table.instants(key)[rows] != NEVER).any() for table, rows in tables)

        return compile_filter(filter, self.schema, has_dates)

    def check_dates(self, name: str) -> None:
        """Raise `InvalidParameter` for an option if no passage has a date."""
        if self.newest(self.alive) is None:
            raise InvalidParameter(
                f"{name}: no passage has a date in its metadata {WHEN!r}; build the index with an "
                f"ISO 8601 date under {WHEN!r}, or leave {name} out"
            )

    def newest(self, visible: Mask) -> int | None:
        """Return the latest `when` of the visible passages; None if no passage has a date."""
        latest = int(self._instants[visible].max(initial=NEVER))
        return None if latest == NEVER else latest

    @cached_property
    def _instants(self) -> npt.NDArray[np.int64]:
        """`[R]` the `when` of each row; `NEVER`, which is always visible, if it has none."""
        return np.concatenate([table.instants(WHEN) for table in self.tables])

    def view(self, visible: Mask | None) -> View:
        """Return the view of some passages (None: all); recently used views are cached."""
        if visible is None:
            return self._all
        key = hashlib.sha256(np.packbits(visible).tobytes()).hexdigest()
        return self.cached("view", key, lambda: self._view_of(visible))

    def _view_of(self, visible: Mask) -> View:
        return View.of(self.gazetteer, self.lexicon, visible)

    def language_of(self, row: int) -> str:
        """Return the language of a passage; `OTHER` in an index of one language."""
        return self.lexicon.language_of(row)

    def _filtered(self, predicate: Predicate) -> Mask:
        return np.concatenate([predicate.mask(table) for table in self.tables])

    def _mask_of_ids(self, identifiers: Sequence[str]) -> Mask:
        """Return a mask of passages, given their ids or the ids of their documents."""
        mask = np.zeros(len(self.corpus), bool)
        for identifier in identifiers:
            mask[self.rows_named(identifier)] = True
        return mask

    def rows_named(self, identifier: str) -> list[int]:
        """Return the rows of the passage, and of the chunks of the document, with this id."""
        row = self.row_of(identifier)
        chunks = self._documents.get(identifier, [])
        return chunks if row is None else [row, *(chunk for chunk in chunks if chunk != row)]

    def documents(self) -> dict[str, list[int]]:
        """Return the rows of each document by id; passages without one count as documents."""
        chunks = {row for rows in self._documents.values() for row in rows}
        alone = (row for row in np.flatnonzero(self.alive).tolist() if row not in chunks)
        return self._documents | {self.corpus.id(row): [row] for row in alone}

    def rows_split_from(self, name: str) -> list[int]:
        """Return the rows of the passage with this id and of the chunks that it was split into."""
        rows = self.rows_named(name)
        return [r for r in rows if self.corpus.id(r) == name or self._is_split_from(r, name)]

    def _is_split_from(self, row: int, document: str) -> bool:
        """Whether a row is a chunk that this library split from a document (by its id)."""
        segment, inside = self.corpus.locate(row)
        name = f"{document}#{segment.passages.positions[inside]}"
        passages = segment.passages
        return passages.documents[inside] == document and passages.ids[inside] == name

    @cached_property
    def _documents(self) -> dict[str, list[int]]:
        """The rows of each document's chunks, by position."""
        tables = [segment.passages for segment in self.corpus.segments]
        names = StringTable.joined([table.documents for table in tables])
        chunks = np.flatnonzero((np.diff(names.offsets) > 0) & self.alive)
        positions = np.concatenate([table.positions for table in tables])[chunks]
        chunks = chunks[np.argsort(positions, kind="stable")]
        rows: dict[str, list[int]] = {}
        for name, row in zip(names.take(chunks), chunks.tolist(), strict=True):
            rows.setdefault(name, []).append(row)
        return rows

    def _position(self, row: int) -> int:
        segment, inside = self.corpus.locate(row)
        return int(segment.passages.positions[inside])

    def neighbors(self, row: int, window: int, visible: Mask) -> list[int]:
        """Return the visible chunks at most `window` positions from a chunk, including itself."""
        segment, inside = self.corpus.locate(row)
        document = segment.passages.documents[inside]
        if not document:
            return [row]
        position = self._position(row)
        if self._is_split_from(row, document):  # then we find its neighbors by their ids
            window = min(window, len(self))
            positions = range(max(position - window, 0), position + window + 1)
            rows = [self.row_of(f"{document}#{i}") for i in positions]
            chunks = [r for r in rows if r is not None and self._is_split_from(r, document)]
        else:
            chunks = self._documents[document]
        return [r for r in chunks if visible[r] and abs(self._position(r) - position) <= window]

    def copies(self, row: int, visible: Mask) -> list[int]:
        """Return the other visible rows with exactly the same text as a row, sorted by id."""
        corpus, by_text = self.corpus, self._by_text
        first, *more = corpus.segments
        digest_of: Callable[[int], Any] = corpus.text_digest
        if not more:  # faster for the dozen calls per hit
            digest_of = first.passages.text_digests.__getitem__
        digest = digest_of(row)
        same_digest, i = list[int](), bisect_left(by_text, digest, key=digest_of)
        while i < len(by_text) and digest_of(by_text[i]) == digest:
            same_digest.append(int(by_text[i]))
            i += 1
        if len(same_digest) == 1:
            return []
        text = corpus.raw_text(row)
        copies = [r for r in same_digest if r != row and visible[r] and corpus.raw_text(r) == text]
        return sorted(copies, key=lambda other: int(self.ranks[other]))

    def cached(self, name: str, key: str, make: Callable[[], T]) -> T:
        """Return the cached value of a key, or compute it with `make`; an LRU cache."""
        with self._lock:
            if (name, key) in self._cache:
                self._cache.move_to_end((name, key))
                value: T = self._cache[name, key]
                return value
        value = make()
        with self._lock:
            self._cache[name, key] = value
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return value


def _row_of(corpus: StoredCorpus, by_id: npt.NDArray[np.int32], identifier: str) -> int | None:
    raw, (first, *more) = identifier.encode(errors="surrogatepass"), corpus.segments
    raw_id = corpus.raw_id if more else first.passages.ids.raw
    position = bisect_left(by_id, raw, key=raw_id)
    if position < len(by_id) and raw_id(row := int(by_id[position])) == raw:
        return row
    return None
