from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from graphagg.errors import GraphAggError, InvalidParameter, UnknownPreset, UnreadableFile
from graphagg.nn import (
    AttentionConfig,
    FeatureConfig,
    GPSConfig,
    HeadConfig,
    get_preset,
    read_preset,
)
from graphagg.nn.presets import preset_names
from graphagg.nn.settings import differences


def inline(value: object) -> str:
    """A value of TOML."""
    if isinstance(value, list):
        return f"[{', '.join(map(inline, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k} = {inline(v)}" for k, v in value.items()) + "}"
    return json.dumps(value)


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_survives_json_and_toml(name: str, tmp_path: Path) -> None:
    chosen = get_preset(name)
    assert GPSConfig.from_dict(json.loads(json.dumps(chosen.model.to_dict()))) == chosen.model
    path = tmp_path / "model.toml"
    path.write_text("\n".join(f"{k} = {inline(v)}" for k, v in chosen.to_dict().items()))
    assert read_preset(path) == chosen


def test_a_file_may_start_from_a_preset(tmp_path: Path) -> None:
    path = tmp_path / "model.toml"
    path.write_text(
        'preset = "zinc"\n[model]\nlayers = 3\nattention.name = "none"\n[training]\nepochs = 70\n'
    )
    found, base = read_preset(path), get_preset("zinc")
    attention = replace(base.model.attention, name="none")
    assert found.model == replace(base.model, layers=3, attention=attention)
    assert found.training == replace(base.training, epochs=70)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (
            "[model]\nlayrs = 3",
            InvalidParameter,
            r"not a field \(did you mean 'layers'.* nodes, edges",
        ),
        ("[model]\nlayer = 2", InvalidParameter, "expected a table.*did you mean 'layers'"),
        ("[model.layer]\nnorms = 3", InvalidParameter, "the fields are norm, dropout"),
        (
            "[model]\nencodings = [{name = 'rwse', dim = 8, k = 3}]",
            InvalidParameter,
            "model.encodings.0.k is not a field; the fields are name, dim, size",
        ),
        ("[model]\nchannels = '64'", InvalidParameter, "model.channels is '64'"),
        ("[model.layer]\nnorm = 'group'", InvalidParameter, "'group'.*'batch', 'layer' or 'none'"),
        ("[model]\nchannels = 0", InvalidParameter, "channels is 0, expected an integer from 1"),
        ("[model.head]\nshape = []", InvalidParameter, "shape is \\(\\)"),
        ('preset = "zinc"\n[training]\nepoch = 3', InvalidParameter, "epoch"),
        ('preset = "zinc"\n[training]\nepochs = "many"', InvalidParameter, "epochs"),
        ("[models]\n", InvalidParameter, "'models'.*\\[model\\] and \\[training\\]"),
        ("preset = 3", InvalidParameter, "preset is 3"),
        ("preset = 'zing'", UnknownPreset, "did you mean 'zinc'"),
        ("[model", UnreadableFile, "TOML"),
    ],
)
def test_a_file_that_does_not_fit_is_said_to(
    text: str, error: type[GraphAggError], said: str, tmp_path: Path
) -> None:
    path = tmp_path / "model.toml"
    path.write_text(text)
    with pytest.raises(error, match=said):
        read_preset(path)
    with pytest.raises(UnreadableFile, match="absent"):
        read_preset(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: GPSConfig(), "nodes has no features"),
        (
            lambda: GPSConfig(FeatureConfig(width=3), channels=63),
            "heads is 4, expected a divisor of",
        ),
        (
            lambda: replace(get_preset("zinc").model, channels=28),
            "leave none to the vertex features",
        ),
        (lambda: FeatureConfig(width=2, constant=True), "drop either"),
        (lambda: FeatureConfig(vocabulary=(0,)), "vocabulary is 0"),
        (lambda: HeadConfig(kind="dot"), "expected task 'edge' and shape"),
        (lambda: HeadConfig(pooling="sum"), "add, mean, max"),  # type: ignore[arg-type]
        (lambda: AttentionConfig(dropout=1.0), "of at least 0 and below 1"),
        (lambda: AttentionConfig(heads=True), "heads is True"),
    ],
)
def test_settings_that_cannot_be(make, said: str) -> None:
    with pytest.raises(InvalidParameter, match=said):
        make()


def test_differences_name_fields_in_order() -> None:
    base = get_preset("zinc").model
    other = replace(base, layers=3, attention=replace(base.attention, heads=8))
    assert differences(base.to_dict(), other.to_dict()) == [
        "attention.heads: there 4, now 8",
        "layers: there 10, now 3",
    ]
    assert differences(base.to_dict(), base.to_dict()) == []
