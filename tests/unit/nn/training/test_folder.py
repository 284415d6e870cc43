"""What a run leaves in its folder, whatever happens to it, is what it goes on from."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from graphagg.errors import (
    CheckpointMismatch,
    GraphAggError,
    RunExists,
    TrainingInterrupted,
    UnreadableFile,
    WriteFailed,
)
from graphagg.nn import files
from graphagg.nn.training import TrainingConfig, TrainingResult, train
from graphagg.nn.training.fit import loop
from graphagg.nn.training.folder import LAST
from tests.unit.nn.training.toys import Scripted, many, read_epochs, scores, tiny

LONG = TrainingConfig(epochs=8, batch_size=4, lr=3e-2, warmup_epochs=1, patience=0)


def run(folder: Path, **options: Any) -> TrainingResult:
    return train(tiny, many(), folder, **{"training": LONG, **options})


def scripted(shape: Any) -> Scripted:
    return Scripted(shape, batches=3)  # the training part of `many` holds 12 graphs


def trained_by_script(folder: Path, **options: Any) -> TrainingResult:
    """A run whose validation improves in each of the first four epochs."""
    return train(scripted, many(), folder, training=LONG, **options)


def stopped(folder: Path, epoch: int, **options: Any) -> None:
    """A run that is interrupted when this many epochs are done."""

    def stop(stage: str, done: int, total: int) -> None:
        if done == epoch:
            raise KeyboardInterrupt

    with pytest.raises(TrainingInterrupted):
        run(folder, progress=stop, **options)


def checkpoint(path: Path) -> tuple[dict[str, str], dict[str, torch.Tensor]]:
    with safe_open(path, framework="pt") as file:
        return file.metadata(), load_file(path)


@pytest.mark.parametrize("epoch", [1, 6])
def test_the_last_checkpoint_is_of_the_last_epoch(tmp_path: Path, epoch: int) -> None:
    """Also if validation has not become better for long."""
    stopped(tmp_path, epoch)
    assert len(read_epochs(tmp_path / "split-0" / "metrics.csv")) == epoch
    assert len(checkpoint(tmp_path / "split-0" / LAST)[1]["rows."]) == epoch


class Full:
    """Raises where the named file is written, half of it done."""

    def __init__(self, name: str) -> None:
        self.name, self.write = name, files.write_whole

    def __call__(self, path: Path, write: Callable[[Path], object]) -> None:
        def half(partial: Path) -> None:
            write(partial)
            os.truncate(partial, partial.stat().st_size // 2)
            raise OSError(28, "No space left on device")

        self.write(path, half if path.name == self.name and path.exists() else write)


def test_a_full_disk_keeps_the_checkpoint_that_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained_by_script(tmp_path / "whole")
    vals = [
        float(row["val"]) for row in read_epochs(tmp_path / "whole" / "split-0" / "metrics.csv")
    ]
    assert vals == pytest.approx([2 / 6, 4 / 6, 5 / 6, 1, 1, 1, 1, 1])  # batches of 4 and 2
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_whole", Full(LAST))
        patch.setattr(loop, "SAVE_EVERY_S", 0.0)
        with pytest.raises(WriteFailed, match=rf"{LAST} cannot be written \(No space left"):
            trained_by_script(tmp_path / "run")
    assert not list((tmp_path / "run").rglob("*.partial"))
    assert scores(trained_by_script(tmp_path / "run", resume=True)) == scores(whole)
    weights = [(tmp_path / of / "split-0" / "model.safetensors") for of in ("whole", "run")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def broken_checkpoints(path: Path) -> dict[str, bytes]:
    """Files that do not fit the run, most of them with its digest."""
    metadata, tensors = checkpoint(path)
    found = {"cut": path.read_bytes()[:100], "empty": b""}
    name = next(key for key in tensors if key.startswith("model.") and tensors[key].dim() == 2)
    moment = next(key for key in tensors if key.endswith("exp_avg"))
    for what, change, more in (
        ("nothing in it", None, {}),
        ("a shape", {name: torch.zeros(3, 3)}, {}),
        ("a name", {"model.more": torch.zeros(1)}, {}),
        ("no dot", {"model": torch.zeros(1)}, {}),
        ("the optimizer", {moment: torch.zeros(7)}, {}),
        ("an index", {"optimizer.x.step": torch.zeros(())}, {}),
        ("rows", {"rows.": torch.zeros(4)}, {}),
        ("no rows", {"rows.": torch.zeros(0, 4)}, {}),
        ("epochs", {}, {"best_epoch": "99"}),
        ("a word", {}, {"best_epoch": "first"}),
    ):
        changed = {} if change is None else tensors | change
        save_file(changed, path, metadata | more)
        found[what] = path.read_bytes()
    save_file(tensors, path)
    return found | {"another run": path.read_bytes()}


def test_a_checkpoint_that_does_not_fit_says_what_to_do_and_that_helps(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    stopped(tmp_path / "run", 4)
    path = tmp_path / "run" / "split-0" / LAST
    for content in broken_checkpoints(path).values():
        path.write_bytes(content)
        with pytest.raises((UnreadableFile, CheckpointMismatch), match="remove it to train that"):
            run(tmp_path / "run", resume=True)
    path.unlink()
    assert scores(run(tmp_path / "run", resume=True)) == scores(whole)


def test_results_of_another_run_are_not_taken_over(tmp_path: Path) -> None:
    run(tmp_path, splits=2)
    (tmp_path / "run.json").unlink()
    other = replace(LONG, lr=1e-3)
    for resume in (False, True):
        with pytest.raises(RunExists, match=r"already holds .*\(split-0\)"):
            run(tmp_path, training=other, resume=resume)
    kept = (tmp_path / "split-1" / "result.json").read_text()
    again = run(tmp_path, training=other, force=True)
    assert len(again.splits) == 1 and not (tmp_path / "split-1").exists()
    (tmp_path / "split-1").mkdir()
    (tmp_path / "split-1" / "result.json").write_text(kept)
    with pytest.raises(
        CheckpointMismatch, match=r"split-1.result\.json belongs to another run; remove"
    ):
        run(tmp_path, training=other, resume=True, splits=2)


def test_force_removes_what_a_run_wrote_and_nothing_else(tmp_path: Path) -> None:
    run(tmp_path, splits=2)
    mine = ["split-ideas/notes.txt", "split-list.txt", "split-1/plot.png", "notes.md"]
    for name in mine:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    run(tmp_path, force=True)
    assert [(tmp_path / name).read_text() for name in mine] == ["mine"] * 4
    assert [path.name for path in (tmp_path / "split-1").iterdir()] == ["plot.png"]


def test_ctrl_c_before_the_training_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(tmp_path)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("graphagg.nn.training.run.prepare", stop)
    with pytest.raises(TrainingInterrupted, match=r"before the training began; nothing in .* has"):
        run(tmp_path, force=True)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_broken_result_is_named_with_what_to_do(tmp_path: Path) -> None:
    run(tmp_path)
    path = tmp_path / "split-0" / "result.json"
    plain = json.loads(path.read_text())
    broken = {'{"test": nul': "is not JSON", "[]": "expected an object"}
    for change in ({"test": None}, {"epoch": "1"}, {"train": True}, {"more": 1}):
        broken[json.dumps(plain | change)] = rf"is not a result \(.*{next(iter(change))}"
    for text, message in broken.items():
        path.write_text(text)
        with pytest.raises(UnreadableFile, match=rf"{message}.*; remove"):
            run(tmp_path, resume=True)
    path.unlink()
    run(tmp_path, resume=True)


@pytest.mark.parametrize("content", [None, b"epoch,loss\n1,2\n", b"\xff\xfe\x00"])
def test_the_log_is_made_again_from_the_checkpoint(tmp_path: Path, content: bytes | None) -> None:
    run(tmp_path / "whole")
    stopped(tmp_path / "run", 3)
    log = tmp_path / "run" / "split-0" / "metrics.csv"
    log.unlink() if content is None else log.write_bytes(content)
    run(tmp_path / "run", resume=True)
    assert log.read_bytes() == (tmp_path / "whole" / "split-0" / "metrics.csv").read_bytes()


def test_a_file_where_a_split_goes(tmp_path: Path) -> None:
    (tmp_path / "split-0").write_text("mine")
    with pytest.raises(GraphAggError, match=r"split-0.*cannot be written"):
        run(tmp_path)
