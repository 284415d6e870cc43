"""A cache of vectors on disk: an interrupted build resumes, and a rebuild is quick.

One SQLite file holds vectors by the sha256 of model and text. A batch is committed as a whole, and
several processes may share the file. Each entry has a checksum. A cache never stops a build: a
damaged one is started anew, an unusable one is ignored, both with a warning in the log.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from graphagg.checks import integer
from graphagg.progress import Progress, silent
from graphagg.rag.models.encoder import Encoder, pools_sentences
from graphagg.rag.models.encoding.pooling import PassageVectors, Spans, Vectors, distinct
from graphagg.rag.models.static.encoder import StaticEncoder
from graphagg.store.manifest import canonical_json

FILE_NAME = "vectors-3.sqlite"  # another format, or other bits from a model, get another number
LARGEST = 2 << 30
PIECE = 1024
"""Texts that are encoded before their vectors are written: a killed build loses at most these."""

_SCHEMA = "CREATE TABLE IF NOT EXISTS vectors (key BLOB UNIQUE, vector BLOB, checksum INTEGER)"
_FORGET = """
DELETE FROM vectors WHERE rowid IN (
    SELECT rowid FROM vectors ORDER BY rowid LIMIT (SELECT (count(*) + 3) / 4 FROM vectors)
)
"""
_WAIT = 60.0  # seconds for the transaction of another process
_LOG = logging.getLogger("graphagg.rag")


def default_folder() -> Path:
    """`graphagg` in the user's cache folder: `$XDG_CACHE_HOME`, else `~/.cache`."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "graphagg"


@dataclass(frozen=True)
class CacheConfig:
    """Options of the cache.

    Attributes:
        cache: folder where vectors of texts are kept, at most 2 GiB, so that an interrupted build
            goes on and a rebuild is quick. None: graphagg in $XDG_CACHE_HOME or ~/.cache.
        no_cache: keep no vectors, and reuse none.
    """

    cache: str | None = None
    no_cache: bool = field(default=False, metadata={"flags": "--no-cache"})

    def open(self) -> VectorCache | None:
        """The cache; nothing is read or written before its first use."""
        return None if self.no_cache else VectorCache(self.cache)


class VectorCache:
    """Vectors by key, in one file that several processes may share.

    Args:
        folder: folder of the file; created at the first write. None: `default_folder()`.
        largest: bytes of the file; above, the oldest quarter of the vectors is deleted.

    Examples:
        >>> import tempfile
        >>> cache = VectorCache(tempfile.mkdtemp())
        >>> cache.put([b"key"], np.ones((1, 3), np.float32))
        >>> cache.get([b"key", b"other"], dimension=3)
        [array([[1., 1., 1.]], dtype=float32), None]
    """

    def __init__(
        self, folder: str | os.PathLike[str] | None = None, *, largest: int = LARGEST
    ) -> None:
        self.path = (default_folder() if folder is None else Path(folder)) / FILE_NAME
        self.largest = integer("largest", largest, 1)
        self._usable = True

    def get(self, keys: Sequence[bytes], dimension: int) -> list[Vectors | None]:
        """Look up vectors of d dimensions: `[m, d]` per key, None if it is missing or damaged."""
        stored: dict[bytes, Vectors] = {}

        def look_up(connection: sqlite3.Connection) -> None:
            query = "SELECT vector, checksum FROM vectors WHERE key = ?"
            for key in keys:
                content, checksum = connection.execute(query, (key,)).fetchone() or (b"", None)
                if zlib.crc32(content) == checksum:
                    stored[key] = np.frombuffer(content, "<f4").reshape(-1, dimension)

        if self.path.exists():
            self._transaction(look_up)
        return [stored.get(key) for key in keys]

    def put(self, keys: Sequence[bytes], vectors: Sequence[Vectors] | Vectors) -> None:
        """Store `[d]` or `[m, d]` per key, all or none; replaces entries with the same keys."""
        contents = [np.ascontiguousarray(vector, dtype="<f4").tobytes() for vector in vectors]
        rows = [(key, each, zlib.crc32(each)) for key, each in zip(keys, contents, strict=True)]

        def store(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", rows)
            if _size(connection) > self.largest:
                connection.execute(_FORGET)

        self._transaction(store)

    def _transaction(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do all of the work or nothing; log any error.

        Each transaction has its own connection, so threads and forked processes may share a cache.
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
    """Bytes of the file's content; deleted entries leave room for new ones."""
    pages, free, size = (
        int(connection.execute(f"PRAGMA {name}").fetchone()[0])
        for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


class CachedEncoder:
    """An encoder that computes only the vectors that a cache lacks.

    It has the identity, windows and questions of the encoder that it wraps. Vectors are stored
    piece by piece, so that little is computed again after an interruption.
    """

    def __init__(self, encoder: Encoder, cache: VectorCache) -> None:
        self._encoder, self._cache = encoder, cache
        self.spec, self.dimension = encoder.spec, encoder.dimension
        self.center: Vectors | None = getattr(encoder, "center", None)
        self.pools_sentences = pools_sentences(encoder)
        self.split, self.encode_query = encoder.split, encoder.encode_query

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        """Embed texts of the corpus, `[n, d]`; looks up or computes each distinct text once."""
        uniques, rows = distinct(texts)
        keys = [_key(self._model, text.encode()) for text in uniques]

        def compute(piece: list[int]) -> list[Vectors]:
            return list(self._encoder.encode([uniques[i] for i in piece])[:, None])

        vectors = self._complete(keys, [len(text) for text in uniques], compute, progress)
        stacked: Vectors = np.concatenate([np.empty((0, self.dimension), np.float32), *vectors])
        return stacked[rows]

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed distinct passages; an entry holds the vectors of windows, then of sentences."""
        encoder = self._encoder
        assert pools_sentences(encoder)
        raw = (np.asarray(spans, "<i4").tobytes() for spans in sentences)
        uniques, rows = distinct(zip(texts, raw, strict=True))
        spans = [np.frombuffer(each, "<i4").reshape(-1, 2) for _, each in uniques]
        keys = [_key(self._model + b" passage", each, text.encode()) for text, each in uniques]

        def compute(piece: list[int]) -> list[Vectors]:
            chosen = [uniques[i][0] for i in piece], [spans[i] for i in piece]
            return [np.concatenate(vectors) for vectors in encoder.encode_passages(*chosen)]

        vectors = self._complete(keys, [len(text) for text, _ in uniques], compute, progress)
        passages = [
            PassageVectors(*np.split(each, [len(each) - len(its_sentences)]))
            for each, its_sentences in zip(vectors, spans, strict=True)
        ]
        return [passages[row] for row in rows]

    @cached_property
    def _model(self) -> bytes:
        return canonical_json(self.spec.to_json())

    def _complete(
        self,
        keys: Sequence[bytes],
        lengths: Sequence[int],
        compute: Callable[[list[int]], list[Vectors]],
        progress: Progress,
    ) -> list[Vectors]:
        """Look entries up; compute the missing ones piece by piece, and store each piece.

        The longest texts come first, so that texts of similar length are encoded together.
        """
        entries = dict(enumerate(self._cache.get(keys, self.dimension)))
        missing = sorted((i for i in entries if entries[i] is None), key=lambda i: -lengths[i])
        for start in range(0, len(missing), PIECE):
            piece = missing[start : start + PIECE]
            computed = compute(piece)
            self._cache.put([keys[i] for i in piece], computed)
            entries.update(zip(piece, computed, strict=True))
            progress("encode", len(keys) - len(missing) + start + len(piece), len(keys))
        if keys and not missing:
            progress("encode", len(keys), len(keys))
        return [entry for entry in entries.values() if entry is not None]


def cached(encoder: Encoder, cache: VectorCache | None) -> Encoder:
    """Wrap an encoder in a cache if there is one; a static encoder is faster than any cache."""
    is_static = isinstance(encoder, StaticEncoder)
    return encoder if cache is None or is_static else CachedEncoder(encoder, cache)


def _key(*fields: bytes) -> bytes:
    """The sha256 of some fields; their lengths keep them apart."""
    return hashlib.sha256(b"".join(b"%d:%b" % (len(each), each) for each in fields)).digest()
