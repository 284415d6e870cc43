"""The folder of a run: its settings, its results, and what each split left.

    run.json              settings of the model and the training, digest of the data
    results.json          what `graphagg train --json` prints
    split-0/last.ckpt     state after the last epoch: to resume from
    split-0/best.ckpt     state after the best one
    split-0/model.safetensors, config.json    the model of the best epoch
    split-0/metrics.csv, events.*             a row an epoch, and the same for TensorBoard
    split-0/result.json   once the split is done
    .lock                 held by the process that trains

Checkpoints are read with `weights_only`, so that a file from elsewhere can hold numbers only.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch

from graphagg.errors import CheckpointMismatch, RunBusy, RunExists, UnreadableFile, WriteFailed
from graphagg.locks import hold
from graphagg.nn.training.results import SplitResult

RUN, RESULTS, RESULT = "run.json", "results.json", "result.json"
LAST, BEST = "last.ckpt", "best.ckpt"
_SHOWN = 4


@contextmanager
def alone_in(path: Path) -> Iterator[None]:
    """Keep other processes from training in a folder meanwhile; it is made.

    Raises:
        RunBusy: Another process trains there.
        WriteFailed: The folder cannot be written.
    """
    busy = f"{path}: another process trains there; wait for it, or take another folder"
    try:
        path.mkdir(parents=True, exist_ok=True)
        descriptor = hold(path / ".lock", RunBusy(busy))
    except OSError as error:
        raise _unwritable(path, error) from None
    try:
        yield
    finally:
        os.close(descriptor)


class RunFolder:
    """A folder that holds one run.

    Args:
        path: The folder; it is made.
        settings: What the run is made of, plain values; a run of other settings is refused.
        resume: Go on with the run that is there.
        force: Replace the run that is there.

    Raises:
        RunExists: A run is there, and neither `resume` nor `force` is set.
        CheckpointMismatch: The run that is there has other settings.
        WriteFailed: The folder cannot be written.
    """

    def __init__(
        self, path: Path, settings: dict[str, Any], *, resume: bool = False, force: bool = False
    ) -> None:
        self.path = path
        self.fingerprint = json.dumps(settings, sort_keys=True)
        self.resume = resume and (path / RUN).exists()
        if self.resume:
            _compare(path / RUN, _read(path / RUN), json.loads(self.fingerprint))
            return
        if (path / RUN).exists():
            if not force:
                raise RunExists(
                    f"{path} already holds a training run; resume it (--resume), replace it "
                    "(--force) or take another folder"
                )
            self._clear()
        self._write(path / RUN, settings)

    def split(self, number: int) -> Path:
        """The folder of a split."""
        return self.path / f"split-{number}"

    def done(self, number: int) -> SplitResult | None:
        """The result of a split that an earlier run finished."""
        path = self.split(number) / RESULT
        if not self.resume or not path.exists():
            return None
        try:
            return SplitResult(**_read(path))
        except TypeError as error:
            raise UnreadableFile(f"{path} is no result ({error}); remove it and rerun") from None

    def last(self, number: int) -> Path | None:
        """The checkpoint that a split goes on from.

        Raises:
            UnreadableFile: It is truncated or holds more than numbers.
            CheckpointMismatch: It is another run's.
        """
        path = self.split(number) / LAST
        if not self.resume or not path.exists():
            return None
        if read_checkpoint(path).get("graphagg") != self.fingerprint:
            raise CheckpointMismatch(
                f"{path} is of another configuration than {self.path / RUN}; remove it to train "
                "that split anew"
            )
        return path

    def save_result(self, number: int, result: SplitResult) -> None:
        """Write the result of a split."""
        self._write(self.split(number) / RESULT, result.to_json())

    def save_results(self, results: dict[str, Any]) -> None:
        """Write the results of the run."""
        self._write(self.path / RESULTS, results)

    def _write(self, path: Path, values: dict[str, Any]) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(path.name + ".partial")
            partial.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
            os.replace(partial, path)
        except OSError as error:
            raise _unwritable(path, error) from None

    def _clear(self) -> None:
        """Remove what a run wrote, and nothing else."""
        for name in (RUN, RESULTS):
            (self.path / name).unlink(missing_ok=True)
        for folder in self.path.glob("split-*"):
            shutil.rmtree(folder)


def _unwritable(path: Path, error: OSError) -> WriteFailed:
    return WriteFailed(
        f"{path} cannot be written ({error.strerror}); free some space or take another folder"
    )


def read_checkpoint(path: Path) -> dict[str, Any]:
    """A checkpoint, on the CPU.

    Raises:
        UnreadableFile: It is missing, truncated, or holds more than numbers.
    """
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UnreadableFile(f"{path}: no such file") from None
    except Exception as error:  # torch raises whatever a broken or a forbidden file leads to
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UnreadableFile(
            f"{path} is no checkpoint that can be read ({first}); remove it to train anew"
        ) from None
    if not isinstance(loaded, dict):
        raise UnreadableFile(f"{path} holds a {type(loaded).__name__}; wanted a checkpoint")
    return cast("dict[str, Any]", loaded)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UnreadableFile(f"{path} is no JSON ({error}); replace the run (--force)") from None
    if not isinstance(values, dict):
        raise UnreadableFile(f"{path} holds no object; replace the run (--force)")
    return values


def _compare(path: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    left, right = _flat(found), _flat(wanted)
    odd = [key for key in sorted(left | right) if left.get(key) != right.get(key)]
    if odd:
        listed = "; ".join(
            f"{key}: there {left.get(key)!r}, now {right.get(key)!r}" for key in odd[:_SHOWN]
        )
        more = f" and {len(odd) - _SHOWN} more" if len(odd) > _SHOWN else ""
        raise CheckpointMismatch(
            f"{path} is of another configuration ({listed}{more}); resume with the settings of "
            "the run, or start anew (--force)"
        )


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {name: values}
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{name}.{key}" if name else key)
    return flat
