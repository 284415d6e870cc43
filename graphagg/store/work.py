"""Work that resumes: the folder of an unfinished build holds its finished stages and their files.

Started again, a build goes on after its last finished stage. The folder is removed when the index
is published.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from graphagg.errors import ArtifactBusy, ParametersDiffer
from graphagg.progress import Progress
from graphagg.store.addresses import Address
from graphagg.store.locks import hold
from graphagg.store.remote.cache import build_folder

_LOCK = ".lock"


class WorkFolder:
    """The folder of an unfinished build.

    Args:
        folder: made where it is not there.
        progress: called after each stage.
    """

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder.absolute()
        self._progress = progress
        self._lock = -1

    def claim(self, job: dict[str, Any], *, force: bool = False, resume: bool = True) -> None:
        """Begin the job or continue it; with `force`, or not to `resume`, begin from nothing.

        Raises:
            ArtifactBusy: another process runs a job there.
            ParametersDiffer: the folder holds an unfinished job with other parameters.
        """
        self._take_lock()
        note = self.folder / "job.json"
        if force:
            self._empty()
        if note.exists():
            unfinished = json.loads(note.read_text(encoding="utf-8"))
            for name in sorted({*unfinished, *job}):
                if unfinished.get(name) != job.get(name):
                    self.release()
                    raise ParametersDiffer(
                        f"{self.folder}: an unfinished job with {name} {unfinished.get(name)!r}, "
                        f"wanted {job.get(name)!r}; finish it with its own parameters, or start "
                        "again with --force, which removes it"
                    )
            if resume:
                return
            self._empty()
        write_json(note, job)

    def _take_lock(self) -> None:
        if self._lock >= 0:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        busy = f"{self.folder}: another process runs this job; wait for it, or stop it"
        self._lock = hold(self.folder / _LOCK, ArtifactBusy(busy))

    def _empty(self) -> None:
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()

    def release(self) -> None:
        """Let another process continue the job."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """A small result: read if it was noted before, else computed and noted."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            write_json(path, make())
        return json.loads(path.read_text(encoding="utf-8"))

    def stage(self, name: str, make: Callable[[], Any]) -> Any:
        """A note that is reported to `progress` as a stage, when it is new."""
        known = (self.folder / f"{name}.json").exists()
        result = self.note(name, make)
        if not known:
            self._progress(name, 1, 1)
        return result

    def step(self, name: str) -> Callable[[int, int], None]:
        """What a stage calls on its way, with how much is done and of how much."""
        return partial(self._progress, name)

    def path(self, name: str) -> Path:
        """The file of an array that many tasks write ranges of."""
        return self.folder / f"{name}.npy"

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


def work_folder(directory: Path | Address) -> Path:
    """The folder of an index's unfinished build; for an index on a store, in the local cache."""
    target = build_folder(directory) if isinstance(directory, Address) else directory.absolute()
    return target.with_name(f"{target.name}.work")


def fingerprint(source: str) -> list[Any]:
    """What changes when an input changes: its path, and size and time of each local file."""
    path = local_path(source)
    if path is None:
        return [source, []]
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    seen = [[str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
    return [os.path.abspath(path) if files else source, seen]


def local_path(source: str) -> Path | None:
    """The path of a source on a mounted file system; None for `hdfs://`, `s3a://` and the like."""
    if source.startswith("table:"):  # of Spark
        return None
    scheme, host, path, *_ = urlsplit(source)
    if scheme == "file" and not host:
        return Path(unquote(path))
    return None if "://" in source else Path(source)


def write_json(path: Path, value: Any) -> None:
    """Write a file of JSON; whole or not at all, also when two processes write it."""
    partial = path.with_suffix(f".{os.getpid()}.part")
    partial.write_text(json.dumps(value), encoding="utf-8")
    os.replace(partial, path)
