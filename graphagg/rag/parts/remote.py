"""Parts in other processes, which run `graphagg serve --passages X` and answer over HTTP.

The client keeps ids, titles, metadata and the other small columns of a part in a temporary
folder. Vectors, texts and postings stay with the part, and the steps of a question run
there.
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote
from weakref import finalize

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import CorruptArtifact
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.rag.models.by_name import IndexModels
from graphagg.rag.parts.client import OPENING_SECONDS, Asked, PartAddress, PartClient
from graphagg.rag.parts.names import keys_and_kinds
from graphagg.rag.parts.steps import SECONDS
from graphagg.rag.parts.wire import decode, encode
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.segments import (
    PassageTable,
    Ragged,
    Segment,
    StoredCorpus,
    segment_prefix,
    table_name,
)
from graphagg.store import Artifact
from graphagg.store.manifest import Manifest, file_sha256, manifest_of
from graphagg.store.reading import Closing

ModelsOf = Callable[[Artifact], IndexModels]
"""Returns the models of a version."""
_LONG = frozenset({"named", "uses", "view"})
"""Steps that read a whole part; they are never sent twice."""


class RemoteObject:
    """An object in the process of a part; its methods run there."""

    def __init__(self, client: PartClient, key: str) -> None:
        self._client, self._key = client, key
        finalize(self, client.unused.append, key).atexit = False

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)
        return lambda *arguments: self.answer(self.begin(method, arguments, math.inf))

    def begin(self, method: str, arguments: tuple[Any, ...], end: float) -> Asked:
        """Send a step."""
        client = self._client
        unused = [client.unused.popleft() for _ in range(len(client.unused))]
        message = encode((self._key, method, arguments, unused))
        seconds = OPENING_SECONDS if method in _LONG else SECONDS
        end = min(end, time.monotonic() + seconds)
        return Asked(client, message, end, method not in _LONG)

    def answer(self, asked: Asked) -> Any:
        """Return the result of a step."""
        return decode(asked.answer(), partial(RemoteObject, self._client))


class RemoteTexts:
    """The compressed texts of a part; blocks are read from the part when needed."""

    def __init__(self, part: RemoteObject, name: str, size: int) -> None:
        self._part, self._name, self._size = part, name, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, block: slice) -> Array:
        found: Array = self._part.texts(self._name, block.start, block.stop)
        return found


class RemoteArtifact(Artifact):
    """The small files of one version of a part, copied on first use."""

    def __init__(self, client: PartClient, manifest: Manifest) -> None:
        self._copies = tempfile.TemporaryDirectory(prefix="graphagg-part-")
        (Path(self._copies.name) / manifest.data).mkdir()
        super().__init__(Path(self._copies.name), manifest, -1)
        self._client, self._copying = client, threading.Lock()
        self.steps = RemoteObject(client, manifest.data)

    def path(self, name: str) -> Path:
        """Return the path of a copied file."""
        path, entry = super().path(name), self.manifest.files[name]
        with self._copying:
            if not path.exists():
                version = quote(self.manifest.data)
                content = self._client.get(f"files/{version}/{quote(name)}", OPENING_SECONDS)
                path.write_bytes(content)
                if file_sha256(path) != entry.sha256:
                    path.unlink()
                    raise CorruptArtifact(f"{self._client.url}: {name} arrived damaged; try again")
        return path

    def array(self, name: str) -> Array:
        """Return an array; compressed texts stay with the part."""
        if not name.endswith(".texts.zlib"):
            return super().array(name)
        (size,) = self.manifest.files[f"{name}.npy"].shape or (0,)
        texts: Any = RemoteTexts(self.steps, name, size)
        return cast(Array, texts)

    def raise_damage(self, error: Exception) -> None:
        """Do nothing: the part checks its own files."""

    @property
    def location(self) -> Any:
        """The address of the part."""
        return self._client.url

    def close(self) -> None:
        """Remove the copies; arrays stay valid."""
        self._copies.cleanup()


class RemoteSnapshot(PassageSnapshot):
    """A version of a part in another process; `steps` runs all steps on vectors and postings."""

    def __init__(self, client: PartClient, models: ModelsOf) -> None:
        manifest = manifest_of(client.about()["manifest"], client.url)
        self.url, self.artifact = client.url, RemoteArtifact(client, manifest)
        self.steps, artifact = self.artifact.steps, self.artifact
        self.models = models(artifact)
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
        bounds = artifact.array(f"{prefix}windows.bounds")
        none = Ragged(np.zeros(len(passages) + 1, np.int64), np.zeros((0, 2), np.int64))
        blank = np.zeros((0, artifact.manifest.models["encoder"]["dimension"]), np.uint8)
        return Segment(passages, sentences, none, Ragged(bounds, blank), blank)


class RemotePart(Closing):
    """A part in another process; `PassageParts` uses it like an index."""

    def __init__(self, address: PartAddress, models: ModelsOf) -> None:
        self._client, self._models = PartClient(address), models
        self.snapshot = RemoteSnapshot(self._client, models)

    @property
    def artifact(self) -> Artifact:
        """The opened version."""
        return self.snapshot.artifact

    def reopen(self) -> None:
        """Switch to the version that the process serves now."""
        self.snapshot = RemoteSnapshot(self._client, self._models)

    def close(self) -> None:
        """Remove the copied files."""
        self.snapshot.artifact.close()
