from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch_geometric.data import Batch

from graphagg.errors import CheckpointMismatch, InvalidParameter, UnreadableFile
from graphagg.nn import GPS, FeatureConfig, GPSConfig, get_preset
from tests.unit.nn.gps.graphs import graph_for

CONFIG = GPSConfig(FeatureConfig(vocabulary=(3,)), FeatureConfig(width=2), channels=16, layers=2)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    GPS(CONFIG).save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("name", ["zinc", "gnn-plus-pascalvoc-sp", "cora"])
def test_a_saved_model_answers_the_same(name: str, tmp_path: Path) -> None:
    config = get_preset(name).model
    model = GPS(config)
    batch = Batch.from_data_list([graph_for(config, size, size) for size in (6, 4)])
    model(batch)  # moves the running statistics
    model.eval().save(tmp_path)
    loaded = GPS.load(tmp_path)
    assert torch.equal(loaded(batch), model(batch))
    assert loaded.config == config and not loaded.training


def test_weights_keep_their_type(tmp_path: Path) -> None:
    GPS(CONFIG).double().save(tmp_path)
    found = GPS.load(tmp_path)
    assert {p.dtype for p in found.parameters()} == {torch.float64}


def test_weights_beside_the_config_of_another_model_are_refused(
    saved: Path, tmp_path: Path
) -> None:
    # The same shapes: only the copy of the config inside of the weights can tell.
    other = replace(CONFIG, attention=replace(CONFIG.attention, heads=2))
    GPS(other).save(tmp_path / "other")
    (tmp_path / "other" / "config.json").replace(saved / "config.json")
    with pytest.raises(CheckpointMismatch, match=r"attention\.heads: there 4, now 2"):
        GPS.load(saved)


def test_files_that_are_broken_are_said_to_be(saved: Path, tmp_path: Path) -> None:
    config, weights = saved / "config.json", saved / "model.safetensors"
    text, data = config.read_text(), weights.read_bytes()
    for cut in (0, 7, 100, len(data) // 2, len(data) - 1):
        weights.write_bytes(data[:cut])
        with pytest.raises(UnreadableFile, match=r"model\.safetensors"):
            GPS.load(saved)
    weights.write_bytes(data)
    for broken in ("", text[:50], "[]"):
        config.write_text(broken)
        with pytest.raises(UnreadableFile, match=r"config\.json"):
            GPS.load(saved)
    config.write_text(json.dumps({**json.loads(text), "width": 3}))
    with pytest.raises(InvalidParameter, match=r"model\.width"):
        GPS.load(saved)
    config.write_text(text)
    weights.unlink()
    with pytest.raises(UnreadableFile, match=r"model\.safetensors does not exist"):
        GPS.load(saved)
    with pytest.raises(UnreadableFile, match=r"config\.json does not exist"):
        GPS.load(tmp_path / "nowhere")


def test_foreign_weights_are_refused(saved: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = saved / "model.safetensors"
    tensors = load_file(path)
    save_file(tensors, path)
    with pytest.raises(CheckpointMismatch, match="has no config"):
        GPS.load(saved)
    name = next(iter(tensors))
    del tensors[name]
    save_file(tensors, path, metadata={"config": (saved / "config.json").read_text()})
    with pytest.raises(CheckpointMismatch, match=f"{name} is absent"):
        GPS.load(saved)
