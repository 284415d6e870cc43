from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphagg.nn import read_preset, save_graphs, train
from graphagg.nn.files import write_tensors
from graphagg.nn.presets import override
from graphagg.nn.training.fit import loop
from tests.unit.commands import Answer
from tests.unit.nn.training.toys import many, write_graphs

SMALL = """
[model]
channels = 8
layers = 1
nodes = { width = 4 }
local = { name = "gcn" }
attention = { name = "none" }
head = { task = "graph", kind = "mlp", layers = 1 }

[training]
epochs = 6
warmup_epochs = 1
lr = 1e-2
batch_size = 4
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def test_train_prints_what_it_writes(
    tmp_path: Path, recipe: Path, call: Callable[..., Answer]
) -> None:
    data, out = write_graphs(tmp_path / "rings.safetensors", many()), tmp_path / "run"
    common = ("train", recipe, "--data", data, "--out", out, "--device", "cpu")
    found = call(*common, "--epochs", 3, "--set", "model.channels=16", "--json").json
    assert found == json.loads((out / "results.json").read_text())
    assert (found["task"], found["model"], found["metric"]) == ("graph", "small", "accuracy")
    assert found["splits"][0]["epochs"] == 3 and set(found["test"]) == {"mean", "std"}
    settings = json.loads((out / "run.json").read_text())
    assert settings["model"]["channels"] == 16 and settings["training"]["epochs"] == 3
    refused = call(*common)
    assert "already holds a training run" in refused.error
    assert "training.epochs: there 3, now 6" in call(*common, "--resume").error
    table = call(*common, "--force")
    assert table.code == 0 and "small on rings: test accuracy" in table.out
    assert "split 0: 6 done" in table.err and "Lightning" not in table.err
    assert call(*common, "--resume").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "missing PRESET, --data, --out"),
        (("zink", "--data", "d", "--out", "o"), "no preset is named 'zink' (did you mean 'zinc'?)"),
        (
            ("RECIPE", "--data", "absent.safetensors", "--out", "o"),
            "absent.safetensors: no such file",
        ),
        (("absent.toml", "--data", "DATA", "--out", "o"), "absent.toml: No such file"),
        (("RECIPE", "--data", "DATA", "--out", "o", "--device", "cuda:77"), "found: "),
        (
            ("RECIPE", "--data", "DATA", "--out", "o", "--splits", 9),
            "more at random with random_splits (--split-ratio",
        ),
        (
            ("RECIPE", "--data", "DATA", "--out", "o", "--set", "model.depth=3"),
            "model.depth is not a field",
        ),
        (("RECIPE", "--data", "DATA", "--out", "o", "--set", "model.layrs=3"), "mean 'layers'?"),
        (("RECIPE", "--data", "DATA", "--out", "o", "--epochs", 0), "epochs is 0"),
        (("RECIPE", "--data", "DATA", "--out", "o", "--resume", "--force"), "not both"),
        (("RECIPE", "--data", "pyg:QM9@x", "--out", "o"), "no such file"),
    ],
)
def test_bad_input_is_named_with_exit_code_2(
    tmp_path: Path,
    recipe: Path,
    call: Callable[..., Answer],
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[object, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_graphs(tmp_path / "rings.safetensors", many())
    places = {"RECIPE": str(recipe), "DATA": "rings.safetensors"}
    given = [places.get(str(argument), argument) for argument in arguments]
    assert message in call("train", *given).error
    assert not (tmp_path / "o").exists()


def test_list_names_every_preset(call: Callable[..., Answer]) -> None:
    from graphagg.nn.presets import preset_names

    table = call("train", "--list").out
    assert all(any(row.startswith(name) for row in table.splitlines()) for name in preset_names())
    assert set(call("train", "--list", "--json").json) == set(preset_names())


def test_auto_prints_a_row_per_model(tmp_path: Path, call: Callable[..., Answer]) -> None:
    data, out = write_graphs(tmp_path / "rings.safetensors", many()), tmp_path / "run"
    common = ("train", "auto", "--data", data, "--out", out, "--device", "cpu", "--epochs", 1)
    found = call(*common, "--json").json
    assert found == json.loads((out / "results.json").read_text())
    assert set(found["auto"]) == {"gps", "sage", "gcn", "mlp"}
    shown = call(*common, "--resume")
    assert all(f"\n{name} " in shown.out for name in found["auto"])
    assert f"{found['model']} on rings: test accuracy" in shown.out


def test_ctrl_c_says_how_to_go_on(
    tmp_path: Path, recipe: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes when the checkpoint of the first epoch is on the disk."""
    data, out = write_graphs(tmp_path / "rings.safetensors", many()), tmp_path / "run"

    def interrupted(path: Path, *arguments: Any) -> None:
        write_tensors(path, *arguments)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(loop, "write_tensors", interrupted)
    told = call("train", recipe, "--data", data, "--out", out, "--device", "cpu")
    assert told.code == 130 and "--resume" in told.err and "Traceback" not in told.err
    assert (out / "split-0" / "last.safetensors").exists()


def test_random_splits(tmp_path: Path, recipe: Path, call: Callable[..., Answer]) -> None:
    save_graphs(tmp_path / "bare.safetensors", list(many().graphs))  # without splits
    common = (
        "train",
        recipe,
        "--data",
        tmp_path / "bare.safetensors",
        "--device",
        "cpu",
        "--epochs",
        1,
    )
    found = call(*common, "--out", tmp_path / "none", "--json").json
    model = override(read_preset(recipe), ["training.epochs=1"])
    by_hand = train(model, many().graphs, tmp_path / "list", device="cpu")
    assert found["test"]["mean"] == by_hand.test.mean
    ratio = ("--split-ratio", 0.5, 0.25, 0.25, "--splits", 2)
    found = call(*common, "--out", tmp_path / "run", *ratio, "--json").json
    assert [split["split"] for split in found["splits"]] == ["random 0", "random 1"]
    assert (
        "expected three positive shares"
        in call(*common, "--out", tmp_path / "odd", "--split-ratio", 0.5, 0.5, 0.5).error
    )
    missing = call("train", "zinc", "--out", tmp_path / "code")
    assert missing.code == 2 and "missing --data" in missing.error
