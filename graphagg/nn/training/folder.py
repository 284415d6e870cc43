"""The folder of a run: its settings, its results, and the files of each split.

    run.json              settings of the model and the training, digest of the data
    results.json          what `graphagg train --json` prints
    split-0/last.safetensors  state after the last epoch, with the weights of the best epoch
    split-0/model.safetensors, config.json    the model of the best epoch
    split-0/metrics.csv   a row per epoch
    split-0/result.json   written when the split is done
    .lock                 locked by the training process

Checkpoints are safetensors files, which cannot run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from graphagg.errors import CheckpointMismatch, RunBusy, RunExists
from graphagg.nn.files import read_json, read_tensors, unwritable, write_json
from graphagg.nn.settings import check_same
from graphagg.nn.training.results import SplitResult
from graphagg.store.locks import hold

RUN, RESULTS, RESULT = "run.json", "results.json", "result.json"
LAST, LOG = "last.safetensors", "metrics.csv"
_OF_SPLIT = (LAST, RESULT, LOG, "model.safetensors", "config.json", "*.partial")
AGAIN = "remove it to train that split again"
_REPLACE = "replace the run (`force=True`)"
_SAME = "resume with the settings of the run, or start again (`force=True`)"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Create a folder and lock it against other processes inside the `with` block.

    Raises `RunBusy` if another process is training there, and `WriteFailed`.
    """
    busy = f"{path}: another process trains there; wait for it, or use another folder"
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = hold(path / ".lock", RunBusy(busy))
    except OSError as error:
        raise unwritable(path, error) from None
    try:
        yield
    finally:
        os.close(descriptor)


class RunFolder:
    """A folder of one run. Nothing is written before `begin`.

    `settings` has the model, training and data of the run as plain values. `begun` is true if the
    files in the folder belong to this run. `resume` continues an existing run, `force` replaces it.

    Raises:
        RunExists: the folder has a run, and neither `resume` nor `force` is set.
        CheckpointMismatch: the run to resume has other settings.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], *, resume: bool = False, force: bool = False
    ) -> None:
        self.path = path
        self.settings = settings
        self.begun = resume and (path / RUN).exists()
        same = json.loads(json.dumps(settings))
        if self.begun:
            check_same(path / RUN, read_json(path / RUN, _REPLACE), same, _SAME)
        self._fingerprint = json.dumps(same, sort_keys=True)
        if not (self.begun or force):
            _check_free(path)

    def begin(self) -> None:
        """Remove the files of another run, but no other files, and write the settings."""
        if self.begun:
            return
        try:
            for folder in _splits(self.path):
                _remove(folder, _OF_SPLIT)
                if not any(folder.iterdir()):
                    folder.rmdir()
            # Remove run.json last: while it exists, the other files belong to the old run.
            _remove(self.path, (RESULTS, RUN))
        except OSError as error:
            raise unwritable(self.path, error) from None
        write_json(self.path / RUN, self.settings)
        self.begun = True

    def split(self, index: int) -> Path:
        """Return the folder of a split."""
        return self.path / f"split-{index}"

    def done(self, index: int) -> SplitResult | None:
        """Return the result of a split that an earlier call finished, or None.

        Raises `UnreadableFile` if it is broken, `CheckpointMismatch` if it belongs to another run.
        """
        path = self.split(index) / RESULT
        if not self.begun or not path.exists():
            return None
        remedy = f"remove {path} to train that split again"
        values = read_json(path, remedy)
        if values.pop("run", None) != self.digest:
            raise CheckpointMismatch(f"{path} belongs to another run; {remedy}")
        return SplitResult.from_json(values, path, remedy)

    def last(self, index: int) -> tuple[dict[str, str], dict[str, Tensor]] | None:
        """Return metadata and tensors of the last checkpoint of a split, or None.

        Raises `UnreadableFile` if it is broken, `CheckpointMismatch` if it belongs to another run.
        """
        path = self.split(index) / LAST
        if not self.begun or not path.exists():
            return None
        metadata, tensors = read_tensors(path, AGAIN)
        if metadata.get("run") != self.digest:
            raise CheckpointMismatch(f"{path} belongs to another run; {AGAIN}")
        return metadata, tensors

    @property
    def digest(self) -> str:
        """Digest of the settings, stored in the files of the run."""
        return hashlib.sha256(self._fingerprint.encode()).hexdigest()[:16]


def _check_free(path: Path) -> None:
    """Raise `RunExists` if a folder contains a run."""
    there = [path / RUN] if (path / RUN).exists() else _splits(path)
    if there:
        raise RunExists(
            f"{path} already holds a training run ({there[0].name}); resume it "
            f"(`resume=True`, if {RUN} exists), replace it (`force=True`) or use another folder"
        )


def _splits(path: Path) -> list[Path]:
    inside = path.iterdir() if path.is_dir() else ()
    return sorted(p for p in inside if re.fullmatch(r"split-\d+", p.name) and p.is_dir())


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        for path in folder.glob(name):
            path.unlink()
