"""A snapshot of several parts: their passages, and views with statistics over all parts."""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints, Mask, offsets
from graphagg.errors import PartUnavailable
from graphagg.nearest.vectors import Rows, decode
from graphagg.rag.models.encoding.center import known_share
from graphagg.rag.parts.steps import NamedPart, OpenedPart, PartView, ask_each
from graphagg.rag.snapshot.snapshot import SAMPLE, PassageSnapshot
from graphagg.rag.tables.gazetteer import DEFINES
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import View
from graphagg.store import Artifact
from graphagg.store.manifest import canonical_json

_VIEW_SECONDS = 60.0  # time limit for the view of a new filter


@dataclass(frozen=True)
class Part:
    """One part of a corpus.

    Attributes:
        snapshot: its index.
        start: number of its first row among the rows of all parts.
        opened: runs steps on the part.
        named: runs steps that need the names of all parts.
        numbers: `[E]` positions of its names among the names of all parts, ascending.
    """

    snapshot: PassageSnapshot
    start: int
    opened: OpenedPart
    named: NamedPart
    numbers: Array

    def rows(self, own: Rows) -> Rows:
        """Convert rows of the part to rows of all parts; checks the range (`PartUnavailable`)."""
        if len(own) and not 0 <= own.min() <= own.max() < len(self.snapshot.corpus):
            raise PartUnavailable(str(self.snapshot.artifact.location), "rows out of range")
        return own + self.start

    def local(self, entities: Array) -> Ints:
        """Convert ids of names to those of the part; -1 for a name that it lacks."""
        if not len(self.numbers):
            return np.full(len(entities), -1)
        wanted = entities.astype(self.numbers.dtype)  # otherwise NumPy converts all numbers
        at = np.minimum(self.numbers.searchsorted(wanted), len(self.numbers) - 1)
        return np.where(self.numbers[at] == entities, at, -1)


@dataclass(frozen=True)
class JoinedView(View):
    """A view of all parts, with the names but without mentions and ties.

    Attributes:
        parts: the parts with visible passages, and the view of each.
        documents: number of visible documents.
        codes: number of visible passages by language; {} in an index of one language.
    """

    parts: tuple[tuple[Part, PartView], ...]
    documents: int
    codes: dict[str, int]

    @property
    def languages(self) -> dict[str, int]:
        """Number of visible passages by language; {} in an index of one language."""
        return self.codes


class JoinedArtifact(Artifact):
    """The folders of all parts as one version, which changes when one of them changes."""

    def __init__(self, parts: Sequence[Artifact], entities: int) -> None:
        self.parts, self._lease = parts, -1  # each part has its own lease
        manifests = [part.manifest for part in parts]
        counts = dict(sum((Counter(each.counts) for each in manifests), Counter[str]()))
        versions = canonical_json([each.data for each in manifests])
        data = f"v-{hashlib.sha256(versions).hexdigest()[:16]}"
        counts["entities"] = entities
        self.directory, self.source = parts[0].directory, parts[0].source
        self.manifest = replace(manifests[0], counts=counts, data=data)

    def raise_damage(self, error: Exception) -> None:
        """Raise `CorruptArtifact` if damaged values of a part may have caused an error."""
        for part in self.parts:
            part.raise_damage(error)


class JoinedSnapshot(PassageSnapshot):
    """Several parts as one version; rows are numbered over all parts, one part after another.

    Attributes:
        parts: the parts in the given order.
        names: keys and kinds of the names of all parts.
    """

    def __init__(self, snapshots: Sequence[PassageSnapshot]) -> None:
        from graphagg.execution.arrays import MemoryArrays
        from graphagg.rag.indexing.build import write_orders
        from graphagg.rag.indexing.shards import check_alike, rows_by_id
        from graphagg.rag.parts.names import names_of_all

        check_alike(snapshots)
        first = snapshots[0]
        for name in (
            "models", "analyzers", "listed", "profile", "_weights", "chunking", "columns",
        ):  # fmt: skip
            setattr(self, name, getattr(first, name))
        self.corpus = StoredCorpus([s for each in snapshots for s in each.corpus.segments])
        self.tables = [table for each in snapshots for table in each.tables]
        memory = MemoryArrays()
        write_orders(memory.writer, self.corpus, rows_by_id(snapshots, self.corpus))
        self._open_orders(memory.map)
        self.names, fresh = names_of_all([each.gazetteer for each in snapshots])
        artifacts = [each.artifact for each in snapshots]
        self.artifact = JoinedArtifact(artifacts, len(self.names.keys))
        opened = [_opened(each) for each in snapshots]
        named = zip(*ask_each(list(zip(opened, fresh, strict=True)), "named"), strict=True)
        starts = offsets([len(each.corpus) for each in snapshots]).tolist()
        columns = zip(snapshots, starts, opened, *named, strict=False)
        self.parts = [Part(*of_part) for of_part in columns]
        self._lock, self._cache = threading.Lock(), OrderedDict[tuple[str, str], Any]()
        self._all = self._view_of(self.alive, math.inf)

    def _view_of(self, visible: Mask, seconds: float = _VIEW_SECONDS) -> JoinedView:
        end = time.monotonic() + seconds
        masks = np.split(visible, [part.start for part in self.parts[1:]])
        pairs = [(p, mask) for p, mask in zip(self.parts, masks, strict=True) if mask.any()]
        parts = [part for part, _ in pairs]
        count = len(self.names.keys)
        flags, balance = np.zeros(count, np.uint8), np.zeros(count, np.int64)
        masks_of = [(part.named, (mask,)) for part, mask in pairs]
        for part, (of_part, own) in zip(parts, ask_each(masks_of, "uses", end), strict=True):
            flags[part.numbers] |= of_part
            balance[part.numbers] += own
        calls = [(p.named, (mask, flags[p.numbers], balance[p.numbers])) for p, mask in pairs]
        found = ask_each(calls, "view", end)
        views = [view for view, *_ in found]
        df, sizes = np.zeros(len(flags), np.int32), np.zeros(3, np.int64)
        languages = Counter[str]()
        for part, (_, own, *own_sizes, codes) in zip(parts, found, strict=True):
            df[part.numbers] += own
            sizes += own_sizes
            languages.update(codes)
        passages, tokens, documents = sizes.tolist()
        shares = [
            (view, (df[part.numbers], passages, tokens))
            for part, view in zip(parts, views, strict=True)
        ]
        ask_each(shares, "share")
        none: dict[str, Any] = {field.name: np.zeros(0, np.uint8) for field in fields(View)}
        none |= {"gazetteer": self.names, "visible": visible, "df": df, "tokens": tokens}
        none |= {"entity": (flags & DEFINES) > 0, "passages": passages, "documents": documents}
        codes = dict(sorted(languages.items()))
        return JoinedView(**none, parts=tuple(zip(parts, views, strict=True)), codes=codes)

    def without(self, addresses: Sequence[str]) -> JoinedSnapshot:
        """Return this version as if the parts at these addresses had no passages."""
        places = {str(part.snapshot.artifact.location): part for part in self.parts}
        visible = np.ones(len(self.corpus), np.bool_)
        for address in addresses:
            part = places[address]
            visible[part.start : part.start + len(part.snapshot.corpus)] = False

        def make() -> JoinedSnapshot:
            reduced = self.reduced(visible)
            reduced.missing = tuple(addresses)
            return reduced

        return self.cached("without", " ".join(addresses), make)

    def _known_share(self, view: View) -> float:
        rows = self._evenly(view, SAMPLE)
        starts = [part.start for part in self.parts]
        owners = np.searchsorted(starts, rows, side="right") - 1
        calls = [
            (part.opened, (rows[owners == i] - part.start,)) for i, part in enumerate(self.parts)
        ]
        return known_share(decode(np.concatenate(ask_each(calls, "first_vectors"))))

    def language_of(self, row: int) -> str:
        """Return the language of a passage; `OTHER` in an index of one language."""
        part = next(each for each in reversed(self.parts) if each.start <= row)
        return part.snapshot.language_of(row - part.start)


def _opened(snapshot: PassageSnapshot) -> OpenedPart:
    remote: OpenedPart | None = getattr(snapshot, "steps", None)
    return remote or snapshot.cached("part", "", lambda: OpenedPart(snapshot))
