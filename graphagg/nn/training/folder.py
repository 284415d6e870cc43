"""The folder of a run: its settings, its results, and what each split left.

    run.json              settings of the model and the training, digest of the data
    results.json          what `graphagg train --json` prints
    split-0/last.ckpt     state after the last epoch: to resume from
    split-0/best.ckpt     state after the best one
    split-0/model.safetensors, config.json    the model of the best epoch
    split-0/metrics.csv   a row per epoch
    split-0/result.json   once the split is done
    .lock                 held by the process that trains

Checkpoints are read with `weights_only`, so that a file from elsewhere can hold numbers only.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch

from graphagg.errors import CheckpointMismatch, RunBusy, RunExists, UnreadableFile
from graphagg.nn.files import read_json, unwritable, write_json
from graphagg.nn.training.results import SplitResult
from graphagg.store.locks import hold

RUN, RESULTS, RESULT = "run.json", "results.json", "result.json"
LAST, BEST = "last.ckpt", "best.ckpt"
_SHOWN = 4


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Make a folder, and keep other processes from training in it inside the `with` block.

    Raises:
        RunBusy: another process trains there.
        WriteFailed: the folder cannot be written.
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
    """A folder that holds one run. Nothing is changed before `begin`.

    Attributes:
        begun: whether the files in the folder belong to this run.

    Args:
        path: the folder; it is made.
        settings: model, training and data of the run as plain values; a run with other settings is
            refused.
        resume: go on with the run that is there.
        force: replace the run that is there.

    Raises:
        RunExists: a run is there, and neither `resume` nor `force` is set.
        CheckpointMismatch: the run that is there has other settings.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], *, resume: bool = False, force: bool = False
    ) -> None:
        self.path = path
        self.fingerprint = json.dumps(settings, sort_keys=True)
        self.begun = resume and (path / RUN).exists()
        self._settings = settings
        if self.begun:
            _compare(path / RUN, read_json(path / RUN, _REPLACE), json.loads(self.fingerprint))
            return
        there = [path / RUN] if (path / RUN).exists() else self._splits()
        if there and not force:
            raise RunExists(
                f"{path} already holds a training run ({there[0].name}); resume it (--resume, "
                f"where {RUN} is there), replace it (--force) or take another folder"
            )

    def begin(self) -> None:
        """Remove what another run wrote into the folder, and nothing else.

        Raises:
            WriteFailed: the folder cannot be written.
        """
        if self.begun:
            return
        try:
            for folder in self._splits():
                _remove(folder, _OF_SPLIT)
                if not any(folder.iterdir()):
                    folder.rmdir()
            # Last: while it is there, the rest is known as another run's.
            _remove(self.path, (RESULTS, RUN))
        except OSError as error:
            raise unwritable(self.path, error) from None
        write_json(self.path / RUN, self._settings)
        self.begun = True

    def split(self, index: int) -> Path:
        """The folder of a split."""
        return self.path / f"split-{index}"

    def make_split(self, index: int) -> Path:
        """The folder of a split, made; `WriteFailed` where that fails."""
        path = self.split(index)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from None
        return path

    def done(self, index: int) -> SplitResult | None:
        """The result of a split that an earlier call finished.

        Raises:
            UnreadableFile: it is broken.
            CheckpointMismatch: it belongs to another run.
        """
        path = self.split(index) / RESULT
        if not self.begun or not path.exists():
            return None
        remedy = f"remove {path} to train that split again"
        values = read_json(path, remedy)
        if values.pop("run", None) != self._run:
            raise CheckpointMismatch(f"{path} is another run's; {remedy}")
        return SplitResult.of_json(values, path, remedy)

    def last(self, index: int) -> dict[str, Any] | None:
        """The checkpoint in the file `LAST`, from which a split is resumed.

        Raises:
            UnreadableFile: it, or the best epoch's, is truncated or holds more than numbers.
            CheckpointMismatch: it belongs to another run.
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

    def save_results(self, results: dict[str, Any]) -> None:
        """Write the results of the run."""
        write_json(self.path / RESULTS, results)

    def encoding_seconds(self) -> float:
        """CPU time of the encodings in an earlier call, 0 where that is not known."""
        path = self.path / RESULTS
        results = read_json(path, f"remove {path}") if self.begun and path.exists() else {}
        seconds = results.get("encoding_cpu_seconds")
        return float(seconds) if isinstance(seconds, (int, float)) else 0.0

    @property
    def _run(self) -> str:
        return hashlib.sha256(self.fingerprint.encode()).hexdigest()[:16]

    def _splits(self) -> list[Path]:
        inside = self.path.iterdir() if self.path.is_dir() else ()
        return sorted(p for p in inside if re.fullmatch(r"split-\d+", p.name) and p.is_dir())


_STATE = {"epoch", "state_dict", "optimizer", "rows", "best", "waited", "over"}
_REPLACE = "replace the run (--force)"
_OF_SPLIT = (
    LAST, BEST, RESULT, "metrics.csv", "model.safetensors", "config.json", "*.partial",
)  # fmt: skip


def _remove(folder: Path, names: Sequence[str]) -> None:
    """Remove files of these names, which may hold `*`."""
    for name in names:
        for path in folder.glob(name):
            path.unlink()


def read_checkpoint(path: Path, remedy: str = "remove it to train again") -> dict[str, Any]:
    """A checkpoint, on the CPU.

    Args:
        path: the file.
        remedy: what to do where it cannot be read.

    Raises:
        UnreadableFile: it is missing, truncated, or holds more than numbers.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file; {remedy}") from None
    except Exception as error:  # torch raises whatever a broken or a forbidden file leads to
        raise UnreadableFile(
            f"{path} is no checkpoint that can be read ({type(error).__name__}); {remedy}"
        ) from None
    if not isinstance(loaded, dict):
        raise UnreadableFile(f"{path} holds a {type(loaded).__name__}; wanted a checkpoint")
    return cast("dict[str, Any]", loaded)


def _compare(path: Path, saved: dict[str, Any], settings: dict[str, Any]) -> None:
    left, right = _flat(saved), _flat(settings)
    odd = [key for key in sorted(left | right) if left.get(key) != right.get(key)]
    if odd:
        listed = "; ".join(
            f"{key}: there {left.get(key)!r}, now {right.get(key)!r}" for key in odd[:_SHOWN]
        )
        more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        raise CheckpointMismatch(
            f"{path} is of another configuration ({listed}{more}); resume with the settings of "
            "the run, or start again (--force)"
        )


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {name: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{name}.{key}" if name else key)
    return flat
