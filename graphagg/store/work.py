"""Resumable builds: a work folder holds finished stages until the index is published."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self
from urllib.parse import unquote, urlsplit

import numpy as np

from graphagg.arrays import Array
from graphagg.errors import ArtifactBusy, ParametersDiffer
from graphagg.progress import Progress
from graphagg.store.addresses import Address
from graphagg.store.locks import hold
from graphagg.store.remote.cache import build_folder

_LOCK = ".lock"
_JOB = "job.json"
RUNS = ".runs"
"""Folder with one file per run of a job, named after the run."""


class FolderStorage:
    """A folder with atomic writes and a lock; `graphagg.spark.storage` is the remote version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self._lock = -1

    def __getstate__(self) -> dict[str, Any]:
        """Tasks get the folder without the lock."""
        return {"folder": self.folder, "_lock": -1}

    def __str__(self) -> str:
        return str(self.folder)

    def __truediv__(self, name: str) -> Self:
        return type(self)(self.folder / name)

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading; raises `FileNotFoundError` if it does not exist."""
        return (self.folder / name).open("rb")

    def local(self, name: str) -> Path:
        """Return the path of a file on this machine."""
        return self.folder / name

    def spark_path(self, name: str) -> str:
        """Return the path of a file or folder in the form that Spark reads."""
        return f"file://{self.folder / name}"  # a bare path is on Spark's default file system

    def has(self, name: str) -> bool:
        """Whether a file of this name exists."""
        return (self.folder / name).exists()

    def names(self, folder: str = "") -> list[str]:
        """Return the names of the files in a folder; empty if the folder does not exist."""
        try:
            return os.listdir(self.folder / folder)
        except FileNotFoundError:
            return []

    def write(
        self, files: Mapping[str, bytes | Array], check: Callable[[], None] = lambda: None
    ) -> None:
        """Write bytes and arrays (`.npy`) atomically; `check` may raise before each rename."""
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f"{path.name}.{os.getpid()}.part")
            try:
                with partial.open("wb") as file:
                    write_content(file, content)
                check()
                os.replace(partial, path)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file atomically, even if two processes write it at the same time."""
        self.write({name: json.dumps(value).encode()})

    def read_json(self, name: str) -> Any:
        """Read a JSON file; return None if it does not exist."""
        with suppress(FileNotFoundError), self.open(name) as file:
            return json.load(file)
        return None

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; missing files are ignored."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def remove_folders(self, prefix: str) -> None:
        """Remove the folders whose paths begin with a prefix."""
        for folder in self.folder.glob(f"{prefix}*"):
            shutil.rmtree(folder)

    def lock(self) -> None:
        """Lock the folder, once per object; `ArtifactBusy` if another process holds the lock."""
        if self._lock < 0:
            self.folder.mkdir(parents=True, exist_ok=True)
            busy = f"{self}: another process runs this job; wait for it, or stop it"
            self._lock = hold(self.folder / _LOCK, ArtifactBusy(busy))

    def release(self) -> None:
        """Release the lock, so that another process can lock the folder."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def empty(self) -> None:
        """Remove everything but the lock."""
        for entry in self.folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()

    def destroy(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.release()


def write_content(file: BinaryIO, content: bytes | Array) -> None:
    """Write bytes, or an array as `.npy`."""
    if isinstance(content, np.ndarray):
        np.lib.format.write_array(file, np.ascontiguousarray(content), allow_pickle=False)
    else:
        file.write(content)


class WorkFolder:
    """The folder of an unfinished build; `progress` is called after each new stage."""

    def __init__(self, storage: Path | FolderStorage, progress: Progress) -> None:
        self.storage = FolderStorage(storage) if isinstance(storage, Path) else storage
        self._progress = progress

    @property
    def folder(self) -> Path:
        """The local path of the folder."""
        return self.storage.folder

    def claim(self, job: dict[str, Any], *, force: bool = False, resume: bool = True) -> None:
        """Start or continue the job; with `force`, or without `resume`, start from scratch."""
        self.storage.lock()
        try:
            unfinished = None if force else self.storage.read_json(_JOB)
            described = json.loads(json.dumps(job))
            if unfinished not in (None, described) and not self._has_finished():
                unfinished = None  # none of its stages is finished, so no work is lost
            for name in sorted({*(unfinished or described), *described}):
                before, now = (unfinished or described).get(name), described.get(name)
                if before != now:
                    raise ParametersDiffer(
                        f"{self.storage}: the folder has an unfinished job with {name} "
                        f"{before!r}, expected {now!r}; finish it with its own parameters, or "
                        "start again with `force=True`, which removes it"
                    )
            if unfinished is None or not resume:
                self.storage.empty()
                self.storage.write_json(_JOB, job)
        except BaseException:
            self.release()
            raise

    def _has_finished(self) -> bool:
        names = (name for name in self.storage.names() if "/" not in name and name[:1] != ".")
        return any(name.endswith(".json") and name != _JOB for name in names)

    def check_run(self) -> None:
        """Raise `JobFailed` if another run has started; not possible in a locked local folder."""

    def release(self) -> None:
        """Let another process continue the job."""
        self.storage.release()

    def note(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a small saved result; compute it with `make` and save it if it is missing."""
        file = f"{name}.json"
        if not self.storage.has(file):
            value = make()
            self.check_run()
            self.storage.write_json(file, value)
        return self.storage.read_json(file)

    def stage(self, name: str, make: Callable[[], Any]) -> Any:
        """Return a result like `note`, and report a newly computed one to `progress`."""
        is_finished = self.storage.has(f"{name}.json")
        result = self.note(name, make)
        if not is_finished:
            self._progress(name, 1, 1)
        return result

    def step(self, name: str) -> Callable[[int, int], None]:
        """Return a progress callback `(done, total)` for a stage."""
        return partial(self._progress, name)

    def remove(self) -> None:
        """Remove the folder."""
        self.storage.destroy()


def work_folder(directory: Path | Address) -> Path:
    """Return the folder of an unfinished build; in the local cache for an index on a store."""
    target = build_folder(directory) if isinstance(directory, Address) else directory.absolute()
    return target.with_name(f"{target.name}.work")


def fingerprint(source: str) -> list[Any]:
    """Return a fingerprint of an input: its path, and size and time of each local file."""
    path = local_path(source)
    if path is None:
        return [source, []]
    files = sorted(path.rglob("*")) if path.is_dir() else [path] if path.exists() else []
    stamps = [[str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns] for f in files]
    return [os.path.abspath(path) if files else source, stamps]


def local_path(source: str) -> Path | None:
    """Return a source's path on a mounted file system; None for `hdfs://`, `s3a://` and tables."""
    if source.startswith("table:"):  # a table of Spark
        return None
    scheme, host, path, *_ = urlsplit(source)
    if scheme == "file" and not host:
        return Path(unquote(path))
    return None if "://" in source else Path(source)
