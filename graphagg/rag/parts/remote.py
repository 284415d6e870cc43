"""Parts in other processes: `graphagg serve --passages X` answers for each, over HTTP.

The process that asks keeps ids, titles, metadata and the other small columns of a part in a
temporary folder. Vectors, texts and postings stay with the part: `RemoteRows` reads rows of the
former two, and the steps of a question run there.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from functools import cache, partial
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit
from weakref import finalize

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import CorruptArtifact, InvalidParameter, PartUnavailable
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.models.by_name import IndexModels
from graphagg.rag.parts.names import keys_and_kinds
from graphagg.rag.parts.wire import decode, encode
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.segments import (
    SENTENCES,
    WINDOWS,
    PassageTable,
    Ragged,
    Segment,
    StoredCorpus,
    segment_prefix,
    table_name,
)
from graphagg.store import Artifact
from graphagg.store.addresses import Address, parse_location
from graphagg.store.manifest import Manifest, file_sha256, manifest_of
from graphagg.store.reading import Closing

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor

TOKEN = "GRAPHAGG_PARTS_TOKEN"
"""Environment variable with the token for the processes of parts."""
_SECONDS, _OPENING_SECONDS = 10.0, 3600.0  # of a step, and of finding the names of other parts
_HEDGE = 0.5  # seconds after which a step is sent a second time
_LARGEST = 1 << 30  # bytes of an answer
_FAILED = (HTTPException, OSError)


@dataclass(frozen=True)
class PartAddress:
    """The address of a process that serves a part."""

    url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
            raise InvalidParameter(f"part {self.url!r}: wanted an address such as http://host:8321")

    def __fspath__(self) -> str:
        return self.url


def place_of(location: str | os.PathLike[str]) -> Path | Address | PartAddress:
    """A folder, an address on a store, or the address of a process that serves a part."""
    if os.fspath(location).startswith(("http://", "https://")):
        return PartAddress(os.fspath(location))
    return parse_location(location)


@cache
def pool() -> ThreadPoolExecutor:
    """The threads that wait for parts."""
    return ThreadPoolExecutor(256, thread_name_prefix="parts")


class PartClient:
    """Connections to the process of a part; safe to use from several threads."""

    def __init__(self, address: PartAddress) -> None:
        parts = urlsplit(address.url)
        self.url, self._root = address.url, parts.path.rstrip("/")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self._connect = partial(kind, parts.hostname or "", parts.port)
        self._idle: deque[HTTPConnection] = deque(maxlen=64)
        self.unused: deque[str] = deque()

    def about(self) -> dict[str, Any]:
        """Version, instance and manifest of what the part serves."""
        about = json.loads(self.get("about", 2.0))
        if not isinstance(about, dict):
            raise self._failed("an answer that is no object")
        return about

    def get(self, path: str, seconds: float = _SECONDS) -> bytes:
        """The content at a path below the routes of a part."""
        return self._send("GET", path, None, seconds)

    def step(self, key: str, method: str, arguments: tuple[Any, ...]) -> Any:
        """Run a step; one that is late is sent a second time, and the first answer counts."""
        unused = [self.unused.popleft() for _ in range(len(self.unused))]
        body = encode((key, method, arguments, unused))
        if method == "named":
            answer = self._send("POST", "steps", body, _OPENING_SECONDS)
        else:
            answer = self._hedged(partial(self._send, "POST", "steps", body, _SECONDS))
        return decode(answer, lambda name: RemoteObject(self, name))

    def _hedged(self, call: Callable[[], bytes]) -> bytes:
        first = _calls().submit(call)
        if wait([first], _HEDGE).done:
            return first.result()
        running: set[Future[bytes]] = {first, _calls().submit(call)}
        while True:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            answered = next((each for each in done if each.exception() is None), None)
            if answered is not None or not running:
                return (answered or next(iter(done))).result()

    def _send(self, method: str, path: str, body: bytes | None, seconds: float) -> bytes:
        headers = {"content-type": "application/json"}
        if token := os.environ.get(TOKEN):
            headers["authorization"] = f"Bearer {token}"
        for is_last in (False, True):
            is_idle = bool(self._idle) and not is_last
            try:
                connection = self._idle.pop() if is_idle else self._connect(timeout=seconds)
            except IndexError:  # another thread took it
                connection, is_idle = self._connect(timeout=seconds), False
            try:
                if connection.sock is not None:
                    connection.sock.settimeout(seconds)
                connection.request(method, f"{self._root}/v1/parts/{path}", body, headers)
                response = connection.getresponse()
                content, status = response.read(_LARGEST), response.status
            except _FAILED as error:
                connection.close()
                if is_idle and not isinstance(error, TimeoutError):
                    continue  # the server closed an idle connection
                raise self._failed(str(error) or type(error).__name__) from None
            self._idle.append(connection)
            if status != 200:
                raise self._failed(f"status {status}: {content[:200].decode(errors='replace')}")
            return content
        raise AssertionError("the last connection is a new one")

    def _failed(self, problem: str) -> PartUnavailable:
        return PartUnavailable(self.url, problem)


@cache
def _calls() -> ThreadPoolExecutor:
    """The threads of requests; `pool` waits for them."""
    return ThreadPoolExecutor(512, thread_name_prefix="part-calls")


class RemoteObject:
    """An object in the process of a part; its methods run there."""

    def __init__(self, client: PartClient, key: str) -> None:
        self._client, self._key, self.pool = client, key, pool()
        finalize(self, client.unused.append, key).atexit = False

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *arguments: self._client.step(self._key, method, arguments)


class RemoteRows:
    """Rows of an array that lies with a part."""

    def __init__(self, steps: Any, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._steps, self._name, self.shape, self.dtype = steps, name, shape, np.dtype(dtype)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Array:
        if isinstance(rows, slice):
            start, stop, _ = rows.indices(len(self))
            count, found = max(stop - start, 0), self._steps.range_of(self._name, start, stop)
        else:
            asked = np.asarray(rows, np.int64)
            count, found = len(asked), self._steps.rows_at(self._name, asked)
        if found.dtype != self.dtype or found.shape != (count, *self.shape[1:]):
            raise CorruptArtifact(f"{self._name}: a part answered {found.dtype} {found.shape}")
        result: Array = found
        return result


class RemoteArtifact(Artifact):
    """The small files of a version of a part, copied when they are needed."""

    def __init__(self, client: PartClient, manifest: Manifest) -> None:
        self._copies = tempfile.TemporaryDirectory(prefix="graphagg-part-")
        (Path(self._copies.name) / manifest.data).mkdir()
        super().__init__(Path(self._copies.name), manifest, -1)
        self._client, self._copying = client, threading.Lock()
        self.steps = RemoteObject(client, manifest.data)

    def path(self, name: str) -> Path:
        """The path of a copied file."""
        path, entry = super().path(name), self.manifest.files[name]
        with self._copying:
            if not path.exists():
                version = quote(self.manifest.data)
                content = self._client.get(f"files/{version}/{quote(name)}", _OPENING_SECONDS)
                path.write_bytes(content)
                if file_sha256(path) != entry.sha256:
                    path.unlink()
                    raise CorruptArtifact(f"{self._client.url}: {name} arrived damaged; try again")
        return path

    def array(self, name: str) -> Array:
        """An array; compressed texts stay with the part."""
        entry = self.manifest.files.get(f"{name}.npy")
        if entry is not None and name.endswith(".texts.zlib") and entry.shape is not None:
            rows: Any = RemoteRows(self.steps, name, entry.shape, entry.dtype)
            return rows
        return super().array(name)

    def raise_damage(self, error: Exception) -> None:
        """The part checks its own files."""

    def close(self) -> None:
        """Remove the copies; arrays stay valid."""
        self._copies.cleanup()


class RemoteSnapshot(PassageSnapshot):
    """A version of a part in another process; `steps` runs what reads vectors and postings."""

    def __init__(
        self, client: PartClient, encoder: Encoder | None, extractor: EntityExtractor | None
    ) -> None:
        manifest = manifest_of(client.about()["manifest"], client.url)
        self.url, self.artifact = client.url, RemoteArtifact(client, manifest)
        self.steps, artifact = self.artifact.steps, self.artifact
        self.models = IndexModels(artifact, encoder, extractor)
        segments = range(manifest.counts["segments"])
        self.corpus = StoredCorpus([self._segment(i) for i in segments])
        self.tables = [
            MetadataTable.open(artifact, table_name(i), len(segment.passages))
            for i, segment in enumerate(self.corpus.segments)
        ]
        self._open_orders(artifact.array)
        names = artifact.strings("entities.keys"), artifact.array("gazetteer.kind")
        self.gazetteer = keys_and_kinds(*names)
        languages = "lexicon.languages"
        codes = artifact.array(languages) if f"{languages}.npy" in artifact else None
        self.lexicon = replace(Lexicon.of_lengths(np.zeros(0, np.int32)), languages=codes)
        self._read_parameters(artifact)

    def _segment(self, i: int) -> Segment:
        artifact, prefix = self.artifact, segment_prefix(i)
        passages = PassageTable.open(artifact, f"{prefix}passages")
        sentences = Ragged.open(artifact, f"{prefix}sentences")
        bounds, width = artifact.array(f"{prefix}windows.bounds"), self._dimension()
        values = [
            RemoteRows(self.steps, f"{prefix}{name}", (count, width), np.uint8)
            for name, count in ((WINDOWS, int(bounds[-1])), (SENTENCES, len(sentences.values)))
        ]
        windows, vectors = list[Any](values)
        none = Ragged(np.zeros(len(passages) + 1, np.int64), np.zeros((0, 2), np.int64))
        return Segment(passages, sentences, none, Ragged(bounds, windows), vectors)

    def _dimension(self) -> int:
        found = self.steps.range_of(f"{segment_prefix(0)}{WINDOWS}", 0, 1)
        return int(found.shape[1])


class RemotePart(Closing):
    """A part in another process, where `PassageParts` takes an index."""

    def __init__(
        self,
        address: PartAddress,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
    ) -> None:
        self._client, self._models = PartClient(address), (encoder, extractor)
        self.snapshot = RemoteSnapshot(self._client, *self._models)

    @property
    def artifact(self) -> Artifact:
        """The opened version."""
        return self.snapshot.artifact

    def reopen(self) -> None:
        """Switch to the version that the process serves now."""
        self.snapshot = RemoteSnapshot(self._client, *self._models)

    def close(self) -> None:
        """Remove the copied files."""
        self.snapshot.artifact.close()
