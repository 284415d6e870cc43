"""Writes to collections: one at a time per collection, synced to the disk before the answer.

A write continues if its client disconnects. Further writes to the collection, and writes beyond
`writers`, wait in order of arrival; after a timeout they are refused. A lock file coordinates
processes that share a folder.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from graphagg.errors import (
    ArtifactBusy,
    CollectionEmpty,
    EmptyCorpus,
    InvalidParameter,
    UnknownPassage,
)
from graphagg.progress import Progress
from graphagg.rag.question.request import Selection
from graphagg.serve.collections import STAGED, Collections, is_bare
from graphagg.serve.limits import ServiceLimits
from graphagg.serve.models.values import JsonAnswer
from graphagg.serve.rights import check_unfiltered
from graphagg.store import manifest_at, write_artifact
from graphagg.store.locks import locked
from graphagg.store.writing import sync

if TYPE_CHECKING:
    from graphagg.rag import PassageIndex
    from graphagg.rag.documents.reading.settings import FolderReport
    from graphagg.rag.models.chunking import Source
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor

Change = Callable[..., JsonAnswer]
"""Changes a collection; its last argument reports progress."""
FILES = "files"
_OF_A_FILE = ("path", "folder", "suffix", "modified", "size")  # metadata keys of read files


class Writer:
    """Writes to collections; new ones use the given models, or those of their profile."""

    def __init__(
        self, collections: Collections, limits: ServiceLimits,
        encoder: Encoder | None = None, extractor: EntityExtractor | None = None,
    ) -> None:  # fmt: skip
        self.limits, self.collections = limits, collections
        self._seconds = limits.write_seconds
        self._loaded_models: Any = encoder, extractor
        # Not the models that encode questions: only one thread at a time uses a model.
        self._models: list[dict[str, Any]] = []  # each is used by one write at a time
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(limits.writers)
        self._running: set[asyncio.Task[JsonAnswer]] = set()

    def write(
        self,
        name: str,
        change: Change,
        progress: Progress,
        cleanup: Callable[[], None] = lambda: None,
    ) -> asyncio.Future[JsonAnswer]:
        """Queue a write; it runs when its turn comes and continues if the client disconnects.

        `change` runs in a thread; `cleanup` is called at the end, also if the write is refused.
        Await the returned future; it raises `ArtifactBusy` if other writes take too long.
        """
        task = asyncio.create_task(self._write(name, change, progress))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: cleanup())
        return asyncio.shield(task)

    async def _write(self, name: str, change: Change, progress: Progress) -> JsonAnswer:
        busy = ArtifactBusy("other writes are running; try again later")
        end = time.monotonic() + self._seconds

        def run() -> JsonAnswer:
            with locked(self.collections.folder(name) / ".writer", busy):
                return {**change(progress), "version": self.summary(name)["version"]}

        async with AsyncExitStack() as turns:
            try:
                async with asyncio.timeout(self._seconds):
                    for each in (self._turns.setdefault(name, asyncio.Lock()), self._slots):
                        await turns.enter_async_context(each)
            except TimeoutError:
                raise busy from None
            while True:
                try:
                    answer = await asyncio.to_thread(run)
                    break
                except ArtifactBusy:  # another process is writing
                    if time.monotonic() > end:
                        raise
                    await asyncio.sleep(0.1)
            await asyncio.to_thread(self.collections.changed, name)
            return answer

    async def close(self) -> None:
        """Wait for running writes to finish."""
        await asyncio.gather(*self._running, return_exceptions=True)

    def summary(self, name: str) -> JsonAnswer:
        """Return a collection's version and number of passages, or None; raises `ArtifactError`."""
        self.collections.settings(name)
        folder = self.collections.index(name, "passages")
        if not is_bare(folder):
            return {"version": None, "passages": None}
        manifest = manifest_at(folder)
        return {"version": manifest.data, "passages": manifest.counts.get("passages")}

    # The methods below run in a thread.

    def add(
        self, name: str, sources: Sequence[Source], replace: bool, progress: Progress
    ) -> JsonAnswer:
        """Add passages and documents, all or none."""
        folder = self.collections.index(name, "passages")
        if not is_bare(folder):
            from graphagg.rag import PassageIndex

            options: Any = asdict(self.collections.settings(name))
            options |= zip(("encoder", "extractor"), self._loaded_models, strict=True)
            with PassageIndex.build(sources, folder, progress=progress, **options) as index:
                return {"added": len(sources), "replaced": 0, "passages": len(index)}
        with self._open_index(folder) as index:
            report = index.add(sources, replace=replace, progress=progress)
            return {**report.to_json(), "passages": len(index)}

    def delete(
        self, name: str, ids: Sequence[str], ignore_missing: bool, progress: Progress
    ) -> JsonAnswer:
        """Delete passages and documents."""
        folder = self.collections.index(name, "passages")
        with self._open_index(folder) as index:
            try:
                report = index.delete(ids, ignore_missing=ignore_missing)
            except EmptyCorpus:  # every passage would be deleted
                if is_bare(self.collections.folder(name)):
                    raise
                with write_artifact(folder) as publication:
                    publication.withdraw()
                return {"passages_removed": len(index), "passages": 0}
            return {**report.to_json(), "passages": len(index)}

    def delete_file(self, name: str, path: str, progress: Progress) -> JsonAnswer:
        """Delete a file of the collection, and the passages that were read from it."""
        ids, folder = [], self.collections.index(name, "passages")
        if is_bare(folder):
            with self._open_index(folder) as index:
                if "path" in index.schema:
                    rows = index.snapshot.mask(Selection({"path": path})).nonzero()[0].tolist()
                    ids = [index.snapshot.corpus.id(row) for row in rows]
        file = self.files(name) / path
        if not ids and not file.is_file():
            raise UnknownPassage(f"the collection has no file {path!r}; list its documents")
        answer = self.delete(name, ids, False, progress) if ids else {}
        file.unlink(missing_ok=True)
        return answer

    @contextmanager
    def _open_index(self, folder: Path) -> Iterator[PassageIndex]:
        """Open the index with models that no other write uses at the same time."""
        from graphagg.rag import PassageIndex

        if not is_bare(folder):
            raise CollectionEmpty("the collection is empty; add passages or files")
        models = self._models.pop() if self._models else {
            model.spec.sha256: model for model in self._loaded_models if model is not None
        }  # fmt: skip
        recorded = manifest_at(folder).models
        encoder, extractor = (
            models.get(recorded[role]["sha256"]) for role in ("encoder", "extractor")
        )
        with PassageIndex.open(folder, encoder=encoder, extractor=extractor) as index:
            try:
                yield index
            finally:
                loaded = (model for model in index.models.loaded() if model is not None)
                self._models.append(models | {model.spec.sha256: model for model in loaded})

    def files(self, name: str) -> Path:
        """Return the folder of a collection's files; raises `Forbidden`, `InvalidParameter`."""
        check_unfiltered("files")
        folder = self.collections.folder(name)
        if is_bare(folder):
            raise InvalidParameter(
                f"collection {name!r} is a bare index, which has no folder for files; send passages"
            )
        (folder / FILES).mkdir(exist_ok=True)
        return folder / FILES

    def staging_folder(self, name: str) -> Path:
        """Create a folder for uploaded files."""
        folder = self.files(name).parent / f"{STAGED}{secrets.token_hex(8)}"
        folder.mkdir()
        return folder

    def upload(self, name: str, staged: Path, progress: Progress) -> JsonAnswer:
        """Index uploaded files; move those that can be read to the collection's files."""
        from graphagg.rag import read_documents
        from graphagg.rag.documents.reading.settings import FolderReport

        report = FolderReport()
        files = sorted(each for each in staged.rglob("*") if each.is_file())
        for file in files:
            self._check_place(name, file.relative_to(staged))
        try:
            documents = []
            for document in read_documents(staged, report=report):
                documents.append(document)
                progress("files", report.read + len(report.left_out), len(files))
        except EmptyCorpus:
            return {**_read_files(report), "added": 0, "replaced": 0}
        answer = self.add(name, documents, True, progress)
        left_out = {each.path for each in report.left_out}
        for file in files:
            path = file.relative_to(staged)
            if path.as_posix() not in left_out:
                target = self.files(name) / path
                target.parent.mkdir(parents=True, exist_ok=True)
                sync(file)
                os.replace(file, target)
                sync(target.parent)
        return {**answer, **_read_files(report)}

    def _check_place(self, name: str, path: Path) -> None:
        """Raise `InvalidParameter` if a file and a folder would have the same name."""
        folder = self.files(name)
        if (folder / path).is_dir() or any((folder / each).is_file() for each in path.parents):
            raise InvalidParameter(
                f"file {path.as_posix()!r}: a file and a folder of the collection would have the "
                "same name; delete the existing one or use another name"
            )

    def sync(self, name: str, progress: Progress) -> JsonAnswer:
        """Update the index to match the collection's files; passages sent as JSON stay."""
        from graphagg.rag import read_documents
        from graphagg.rag.documents.reading.settings import FolderReport

        report, files = FolderReport(), self.files(name)
        has_files = any(each.is_file() for each in files.rglob("*"))
        documents: Iterable[Source] = read_documents(files, report=report) if has_files else ()
        folder = self.collections.index(name, "passages")
        if not is_bare(folder):
            answer = self.add(name, list(documents), False, progress)
            return {**answer, **_read_files(report)}
        with self._open_index(folder) as index:
            # passages that were not read from a file stay
            direct = (p for p in index if not all(key in p.metadata for key in _OF_A_FILE))
            change = index.sync(chain(documents, direct), progress=progress)
            return {**change.to_json(), "passages": len(index), **_read_files(report)}


def _read_files(report: FolderReport) -> JsonAnswer:
    """Return the number of files read, the files left out, and notes."""
    left_out = [asdict(each) for each in report.left_out]
    return {"files": report.read, "left_out": left_out, "notes": list(report.notes)}
