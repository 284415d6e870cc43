"""The folder of a run: its settings, its results, and the files of each split.

    run.json              settings of the model and the training, digest of the data
    results.json          what `graphagg train --json` prints
    split-0/last.ckpt     state after the last epoch: to resume from
    split-0/best.ckpt     state after the best one
    split-0/model.safetensors, config.json    the model of the best epoch
    split-0/model-card.md what it was trained on, its scores and controls, and the command
    split-0/metrics.csv   a row per epoch
    split-0/result.json   once the split is done
    split-0/controls.json what simple models reach on it
    .lock                 held by the process that trains

Checkpoints are read with `weights_only`, so that a file from elsewhere cannot run code.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import torch

from graphagg.errors import CheckpointMismatch, RunBusy, RunExists, UnreadableFile
from graphagg.nn.files import read_json, unwritable, write_json
from graphagg.nn.settings import check_same
from graphagg.nn.training.results import Control, SplitResult
from graphagg.store.locks import hold

RUN, RESULTS, RESULT, CONTROLS = "run.json", "results.json", "result.json", "controls.json"
LAST, BEST, CARD = "last.ckpt", "best.ckpt", "model-card.md"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Create a folder and lock it against other processes inside the `with` block.

    Raises `RunBusy` if another process trains there, and `WriteFailed`.
    """
    busy = f"{path}: another process trains there; wait for it, or take another folder"
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
    """A folder that holds one run. Nothing is written before `begin`.

    `settings` are the model, training and data of the run as plain values. `begun` is whether the
    files in the folder belong to this run. `resume` continues an existing run, `force` replaces it.

    Raises:
        RunExists: there is a run, and neither `resume` nor `force` is set.
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
        self.fingerprint = json.dumps(same, sort_keys=True)
        if not (self.begun or force):
            check_free(path)

    def begin(self) -> None:
        """Remove the files of another run, and nothing else."""
        if self.begun:
            return
        try:
            for folder in _splits(self.path):
                _remove(folder, _OF_SPLIT)
                if not any(folder.iterdir()):
                    folder.rmdir()
            # Last: while it exists, the other files belong to another run.
            _remove(self.path, (RESULTS, RUN))
        except OSError as error:
            raise unwritable(self.path, error) from None
        write_json(self.path / RUN, self.settings)
        self.begun = True

    def split(self, index: int) -> Path:
        """The folder of a split."""
        return self.path / f"split-{index}"

    def done(self, index: int) -> SplitResult | None:
        """The result of a split that an earlier call finished, or None.

        Raises `UnreadableFile` if it is broken, `CheckpointMismatch` if it belongs to another run.
        """
        path = self.split(index) / RESULT
        if not self.begun or not path.exists():
            return None
        remedy = f"remove {path} to train that split again"
        values = read_json(path, remedy)
        if values.pop("run", None) != self._run:
            raise CheckpointMismatch(f"{path} is another run's; {remedy}")
        return SplitResult.from_json(values, path, remedy)

    def last(self, index: int) -> dict[str, Any] | None:
        """The last checkpoint, from which a split is resumed, or None.

        Raises `UnreadableFile` if it or the best epoch's is broken, `CheckpointMismatch` if it
        belongs to another run.
        """
        where = self.split(index)
        if not self.begun or not (where / LAST).exists():
            return None
        remedy = f"remove the folder {where} to train that split again"
        last, _ = (read_checkpoint(where / name, remedy) for name in (LAST, BEST))
        if last.get("graphagg") != self.fingerprint:
            raise CheckpointMismatch(
                f"{where / LAST} is of another configuration than {self.path / RUN}; {remedy}"
            )
        missing = _STATE - last.keys()
        if missing:
            raise UnreadableFile(f"{where / LAST} holds no {', '.join(sorted(missing))}; {remedy}")
        return last

    def save_result(self, index: int, result: SplitResult) -> None:
        """Write the result of a split."""
        write_json(self.split(index) / RESULT, {**result.to_json(), "run": self._run})

    def save_controls(self, index: int, controls: Sequence[Control]) -> None:
        """Write the controls of a split."""
        plain = [asdict(control) for control in controls]
        write_json(self.split(index) / CONTROLS, {"controls": plain, "run": self._run})

    def controls(self, index: int) -> tuple[Control, ...] | None:
        """The controls of a split that an earlier call measured, or None."""
        path = self.split(index) / CONTROLS
        if not self.begun or not path.exists():
            return None
        values = read_json(path, remedy := f"remove {path} to measure them again")
        try:
            controls = tuple(Control(**control) for control in values["controls"])
        except (KeyError, TypeError) as error:
            raise UnreadableFile(f"{path} holds no controls ({error}); {remedy}") from None
        return controls if values.get("run") == self._run else None

    def save_results(self, results: dict[str, Any]) -> None:
        """Write the results of the run."""
        write_json(self.path / RESULTS, results)

    def encoding_seconds(self) -> float:
        """CPU time of the encodings in an earlier call, 0 if unknown."""
        path = self.path / RESULTS
        results = read_json(path, f"remove {path}") if self.begun and path.exists() else {}
        seconds = results.get("encoding_cpu_seconds")
        return float(seconds) if isinstance(seconds, (int, float)) else 0.0

    @property
    def _run(self) -> str:
        return hashlib.sha256(self.fingerprint.encode()).hexdigest()[:16]


def check_free(path: Path) -> None:
    """Raise `RunExists` if a folder holds a run."""
    there = [path / RUN] if (path / RUN).exists() else _splits(path)
    if there:
        raise RunExists(
            f"{path} already holds a training run ({there[0].name}); resume it "
            f"(`resume=True`, if {RUN} exists), replace it (`force=True`) or use another folder"
        )


def _splits(path: Path) -> list[Path]:
    inside = path.iterdir() if path.is_dir() else ()
    return sorted(p for p in inside if re.fullmatch(r"split-\d+", p.name) and p.is_dir())


_STATE = {"epoch", "state_dict", "optimizer", "rows", "best", "waited"}
_REPLACE = "replace the run (`force=True`)"
_SAME = "resume with the settings of the run, or start again (`force=True`)"
_OF_SPLIT = (
    LAST, BEST, RESULT, CONTROLS, CARD, "metrics.csv", "model.safetensors", "config.json",
    "*.partial",
)  # fmt: skip


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        for path in folder.glob(name):
            path.unlink()


def read_checkpoint(path: Path, remedy: str = "remove it to train again") -> dict[str, Any]:
    """Read a checkpoint to the CPU; `UnreadableFile` ends with `remedy`."""
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file; {remedy}") from None
    except Exception as error:  # torch raises many types for a broken file
        raise UnreadableFile(
            f"{path} is no checkpoint that can be read ({type(error).__name__}); {remedy}"
        ) from None
    if not isinstance(loaded, dict):
        raise UnreadableFile(f"{path} holds a {type(loaded).__name__}; wanted a checkpoint")
    return cast("dict[str, Any]", loaded)
