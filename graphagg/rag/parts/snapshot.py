"""One version of several parts, as a snapshot: their passages, and views with common statistics."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from graphagg.arrays import Array, Ints, Mask, offsets
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.segments import StoredCorpus
from graphagg.rag.tables.view import NameUses, View
from graphagg.store import Artifact
from graphagg.store.manifest import canonical_json


@dataclass(frozen=True)
class Part:
    """One part of a corpus.

    Attributes:
        snapshot: its index.
        start: number of its first row among the rows of all parts.
        gazetteer: its mentions of the names of all parts.
        numbers: `[E]` the numbers of these names among all, ascending.
    """

    snapshot: PassageSnapshot
    start: int
    gazetteer: Gazetteer
    numbers: Array

    def local(self, entities: Array) -> Ints:
        """The ids of some names in `gazetteer`; -1 for one that it lacks."""
        if not len(self.numbers):
            return np.full(len(entities), -1)
        at = np.minimum(self.numbers.searchsorted(entities), len(self.numbers) - 1)
        return np.where(self.numbers[at] == entities, at, -1)


@dataclass(frozen=True)
class JoinedView(View):
    """A view of all parts; `parts` has the view of each. It has names but no mentions and ties."""

    parts: tuple[View, ...]

    @cached_property
    def languages(self) -> dict[str, int]:
        """Number of visible passages by language; {} in an index of one language."""
        counts = [part.languages for part in self.parts]
        codes = sorted({code for each in counts for code in each})
        return {code: sum(each.get(code, 0) for each in counts) for code in codes}


class JoinedArtifact(Artifact):
    """The folders of all parts as one version, which changes with each of them."""

    def __init__(self, parts: Sequence[Artifact], entities: int) -> None:
        self.parts, self._lease = parts, -1  # each part holds its own
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
    """Several parts as one version: rows of all parts, one part after another.

    Attributes:
        parts: in their order.
        names: keys and kinds of the names of all parts.
    """

    def __init__(self, snapshots: Sequence[PassageSnapshot]) -> None:
        from graphagg.execution.arrays import MemoryArrays
        from graphagg.rag.indexing.build import write_orders
        from graphagg.rag.indexing.shards import check_alike, rows_by_id
        from graphagg.rag.parts.names import names_of_parts

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
        self.names, named = names_of_parts(snapshots)
        artifacts = [each.artifact for each in snapshots]
        self.artifact = JoinedArtifact(artifacts, len(self.names.keys))
        starts = offsets([len(each.corpus) for each in snapshots]).tolist()
        columns = zip(snapshots, starts, named, strict=False)
        self.parts = [Part(each, start, *names) for each, start, names in columns]
        self._lock, self._cache = threading.Lock(), OrderedDict[tuple[str, str], Any]()
        self._all = self._view_of(self.alive)

    def _view_of(self, visible: Mask) -> JoinedView:
        masks = np.split(visible, [part.start for part in self.parts[1:]])
        pairs = list(zip(self.parts, masks, strict=True))
        uses = NameUses(*np.zeros((2, len(self.names.keys)), np.int64))
        for part, mask in pairs:
            flags, balance = NameUses.of(part.gazetteer, mask)
            uses.flags[part.numbers] |= flags
            uses.balance[part.numbers] += balance
        views, df = list[View](), np.zeros(len(self.names.keys), np.int32)
        for part, mask in pairs:
            own = NameUses(*(column[part.numbers] for column in uses))
            views.append(View.of(part.gazetteer, part.snapshot.lexicon, mask, uses=own))
            df[part.numbers] += views[-1].df
        passages, tokens = (sum(getattr(v, n) for v in views) for n in ("passages", "tokens"))
        common = {"passages": passages, "tokens": tokens}
        parts = tuple(
            replace(view, df=df[part.numbers], **common)
            for view, part in zip(views, self.parts, strict=True)
        )
        none = {field.name: np.zeros(0, np.uint8) for field in fields(View)}
        common |= {"gazetteer": self.names, "visible": visible, "df": df}
        return JoinedView(**none | common, parts=parts)

    def language_of(self, row: int) -> str:
        """The language of a passage; `OTHER` in an index of one language."""
        part = next(each for each in reversed(self.parts) if each.start <= row)
        return part.snapshot.language_of(row - part.start)
