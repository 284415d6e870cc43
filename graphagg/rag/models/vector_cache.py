"""Vectors that were computed before, on disk: an interrupted build goes on, a rebuild is quick.

One SQLite file holds vectors by the sha256 of model and text. SQLite commits a batch whole or not
at all, whenever a process is killed, and lets processes take turns; each vector has a checksum
besides. A cache never stands in the way of a build: one that is damaged is begun anew, and one that
cannot be read or written is left alone, both with a warning in the log.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from graphagg.checks import integer
from graphagg.progress import Progress, silent
from graphagg.rag.models.encoder import Encoder, pools_sentences
from graphagg.rag.models.encoding.pooling import PassageVectors, Spans
from graphagg.rag.models.spec import ModelSpec
from graphagg.rag.models.static.encoder import StaticEncoder
from graphagg.store.manifest import canonical_json

FILE_NAME = "vectors-1.sqlite"  # another format gets another number
LARGEST = 2 << 30
PIECE = 1024
"""Texts that are encoded before their vectors are written: what a killed build may lose."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    key BLOB PRIMARY KEY, vector BLOB NOT NULL, used INTEGER NOT NULL
)
"""
_FORGET = """
DELETE FROM vectors WHERE rowid IN (
    SELECT rowid FROM vectors ORDER BY used, rowid
    LIMIT (SELECT (count(*) + 3) / 4 FROM vectors)
)
"""
_ASKED = 500  # keys in a query: SQLite takes 999 parameters at least
_WAIT = 60.0  # seconds for another process to end its turn
_DAY = 86_400
_CHECKSUM = 4  # bytes
_LOG = logging.getLogger("graphagg.rag")

Vectors = npt.NDArray[np.float32]


def default_folder() -> Path:
    """`graphagg` in the user's cache folder: `$XDG_CACHE_HOME`, else `~/.cache`."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "graphagg"


@dataclass(frozen=True)
class CacheConfig:
    """Where vectors are kept.

    Attributes:
        cache: folder where vectors of texts are kept, at most 2 GiB, so that an interrupted build
            goes on and a rebuild is quick. None: graphagg in $XDG_CACHE_HOME or ~/.cache.
        no_cache: keep no vectors, and reuse none.
    """

    cache: str | None = None
    no_cache: bool = field(default=False, metadata={"flags": "--no-cache"})

    def open(self) -> VectorCache | None:
        """The cache; nothing is read or written before it is used."""
        return None if self.no_cache else VectorCache(self.cache)


class VectorCache:
    """Vectors by key, in one file that several processes may share.

    Args:
        folder: where the file lies; made when it is first written. None: `default_folder()`.
        largest: bytes of the file; beyond them, vectors that were not used for longest go.
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, *, largest: int = LARGEST
    ) -> None:
        self.path = (default_folder() if folder is None else Path(folder)) / FILE_NAME
        self.largest = integer("largest", largest, 1)
        self._usable = True

    def get(self, keys: Sequence[bytes], dimension: int) -> tuple[npt.NDArray[np.bool_], Vectors]:
        """Look vectors up.

        Args:
            keys: n distinct ones.
            dimension: d; a vector of another length counts as missing.

        Returns:
            `[n]`, which are there, and `[n, d]`; rows that are not are undefined.
        """
        there = np.zeros(len(keys), bool)
        vectors = np.empty((len(keys), dimension), np.float32)
        for row, stored in enumerate(self.get_rows(keys, dimension)):
            if stored is not None and len(stored) == 1:
                there[row] = True
                vectors[row] = stored
        return there, vectors

    def get_rows(self, keys: Sequence[bytes], dimension: int) -> list[Vectors | None]:
        """Look up what was stored as several vectors a key.

        Args:
            keys: n distinct ones.
            dimension: d; what is no whole number of such vectors counts as missing.

        Returns:
            `[m, d]` of each key; None where it is missing.
        """
        found: list[Vectors | None] = [None] * len(keys)
        place = {key: row for row, key in enumerate(keys)}
        today = int(time.time() // _DAY)

        def look_up(connection: sqlite3.Connection) -> None:
            for start in range(0, len(keys), _ASKED):
                some = keys[start : start + _ASKED]
                among = f"key IN ({','.join('?' * len(some))})"
                stored = connection.execute(f"SELECT key, vector FROM vectors WHERE {among}", some)
                for key, content in stored:
                    found[place[key]] = _unpacked(content, dimension)
                connection.execute(
                    f"UPDATE vectors SET used = ? WHERE used < ? AND {among}", (today, today, *some)
                )

        if self.path.exists():
            self._transaction(look_up)
        return found

    def put(self, keys: Sequence[bytes], vectors: Sequence[Vectors] | Vectors) -> None:
        """Store `[d]` or `[m, d]` of each key, all or none; those of the same keys are replaced."""
        today = int(time.time() // _DAY)
        rows = [(key, _packed(row), today) for key, row in zip(keys, vectors, strict=True)]

        def store(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            if _size(connection) > self.largest:
                connection.execute(_FORGET)

        self._transaction(store)

    def _transaction(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do all of it or nothing; whatever goes wrong is logged.

        A connection lasts for one transaction: so threads and forked processes may share a cache.
        """
        if not self._usable:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self.path, timeout=_WAIT)) as connection, connection:
                connection.execute(_SCHEMA)
                work(connection)
        except (OSError, sqlite3.OperationalError) as error:
            self._usable = False
            _LOG.warning("%s: vectors are neither kept nor reused (%s)", self.path, error)
        except sqlite3.DatabaseError as error:
            self.path.unlink(missing_ok=True)
            _LOG.warning("%s: damaged (%s); the cache begins anew", self.path, error)


def _size(connection: sqlite3.Connection) -> int:
    """Bytes that the file's content takes; what was deleted leaves room for what comes."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _packed(vector: Vectors) -> bytes:
    content = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    return content + zlib.crc32(content).to_bytes(_CHECKSUM, "little")


def _unpacked(stored: bytes, dimension: int) -> Vectors | None:
    """The vectors, `[m, d]`; None where the length does not fit, or a byte of it has changed."""
    content, checksum = stored[:-_CHECKSUM], stored[-_CHECKSUM:]
    if len(content) % (4 * dimension):
        return None
    if zlib.crc32(content).to_bytes(_CHECKSUM, "little") != checksum:
        return None
    return np.frombuffer(content, "<f4").reshape(-1, dimension)


class CachedEncoder:
    """An encoder that computes only vectors that a cache lacks.

    It stands for the encoder that it wraps: same identity, same windows, same questions. Vectors
    are stored a piece at a time, so that little is computed again after an interruption.

    Args:
        encoder: computes what the cache lacks.
        cache: holds the vectors, of this model and of others.
    """

    def __init__(self, encoder: Encoder, cache: VectorCache) -> None:
        self._encoder, self._cache = encoder, cache

    @property
    def spec(self) -> ModelSpec:
        """Identity of the wrapped encoder."""
        return self._encoder.spec

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        return self._encoder.dimension

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """The windows of each text."""
        return self._encoder.split(texts)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """Embed questions and names; neither is stored."""
        return self._encoder.encode_query(questions, names)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        """Embed texts of the corpus, `[n, d]`; each distinct one is looked up or computed once."""
        place: dict[str, int] = {}
        rows = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
        distinct = list(place)
        keys = [_key(self._model, text.encode()) for text in distinct]
        there, vectors = self._cache.get(keys, self.dimension)

        def compute(piece: list[int]) -> Sequence[Vectors] | Vectors:
            vectors[piece] = self._encoder.encode([distinct[i] for i in piece])
            return vectors[piece]

        self._complete(keys, np.flatnonzero(~there), [len(t) for t in distinct], compute, progress)
        return vectors[rows]

    @property
    def pools_sentences(self) -> bool:
        """Whether the wrapped encoder gives the vectors of sentences with those of passages."""
        return pools_sentences(self._encoder)

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed passages and their sentences; each distinct one is looked up or computed once.

        The vectors of a passage are stored as one: those of its windows, then of its sentences.
        """
        encoder = self._encoder
        assert pools_sentences(encoder)
        place: dict[tuple[str, bytes], int] = {}
        spans = [np.asarray(each, "<i4").reshape(-1, 2) for each in sentences]
        pairs = zip(texts, (each.tobytes() for each in spans), strict=True)
        rows = [place.setdefault(pair, len(place)) for pair in pairs]
        distinct = [(text, np.frombuffer(raw, "<i4").reshape(-1, 2)) for text, raw in place]
        keys = [_key(self._model, text.encode(), each.tobytes()) for text, each in distinct]
        stored = self._cache.get_rows(keys, self.dimension)
        found: dict[int, PassageVectors] = {
            i: PassageVectors(*np.split(rows_of, [len(rows_of) - len(each)]))
            for i, ((_, each), rows_of) in enumerate(zip(distinct, stored, strict=True))
            if rows_of is not None and len(rows_of) > len(each)
        }

        def compute(piece: list[int]) -> Sequence[Vectors]:
            some = [distinct[i] for i in piece]
            made = encoder.encode_passages([text for text, _ in some], [each for _, each in some])
            found.update(zip(piece, made, strict=True))
            return [np.concatenate(one) for one in made]

        missing = np.array([i for i in range(len(distinct)) if i not in found], np.int64)
        self._complete(keys, missing, [len(text) for text, _ in distinct], compute, progress)
        return [found[row] for row in rows]

    @cached_property
    def _model(self) -> bytes:
        return canonical_json(self.spec.to_json())

    def _complete(
        self,
        keys: Sequence[bytes],
        missing: npt.NDArray[np.int64],
        sizes: Sequence[int],
        compute: Callable[[list[int]], Sequence[Vectors] | Vectors],
        progress: Progress,
    ) -> None:
        """Compute what the cache lacks, a piece at a time, and store each piece.

        The longest first, so that texts of like length are encoded together.
        """
        order = sorted(missing.tolist(), key=lambda i: -sizes[i])
        done = len(keys) - len(order)
        for start in range(0, len(order), PIECE):
            piece = order[start : start + PIECE]
            self._cache.put([keys[i] for i in piece], compute(piece))
            done += len(piece)
            progress("encode", done, len(keys))
        if not order and len(keys):
            progress("encode", done, done)


def cached(encoder: Encoder, cache: VectorCache | None) -> Encoder:
    """The encoder, with a cache if there is one; a static one is faster than any cache."""
    is_static = isinstance(encoder, StaticEncoder)
    return encoder if cache is None or is_static else CachedEncoder(encoder, cache)


def _key(model: bytes, text: bytes, sentences: bytes | None = None) -> bytes:
    """Of one text by one model; the lengths keep the parts of it apart.

    Args:
        model: which model.
        text: what is embedded.
        sentences: where its sentences are, if they are embedded with it.
    """
    parts = [model, text] if sentences is None else [model + b" passage", sentences, text]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()
