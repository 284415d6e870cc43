"""Settings are checked, objects are found by their names, and files are written whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidDataset, InvalidParameter, UnreadableFile, WriteFailed
from graphagg.nn import (
    AttentionConfig,
    EncodingConfig,
    FeatureConfig,
    GPSConfig,
    GPSLayer,
    TrainingConfig,
)
from graphagg.nn.aggr import make_aggregation
from graphagg.nn.conv import make_local_part
from graphagg.nn.files import read_json, write_json, write_whole
from graphagg.nn.model.encoding import build_encoder
from graphagg.nn.presets import get_preset
from graphagg.nn.resolver import find


def test_numbers_of_numpy_become_pythons_own() -> None:
    config = GPSConfig(
        FeatureConfig(vocabulary=[np.int64(3)]),  # type: ignore[arg-type]
        channels=np.int32(8),  # type: ignore[arg-type]
        attention=AttentionConfig(dropout=np.float32(0.5)),  # type: ignore[arg-type]
    )
    assert GPSConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    training = TrainingConfig(epochs=np.int64(3), lr=np.float32(0.5))  # type: ignore[arg-type]
    assert json.loads(json.dumps(training.to_dict())) == TrainingConfig(epochs=3, lr=0.5).to_dict()


REGISTRY = {"exact": 1, "PerFormer": 2, "elu": 3}


@given(st.one_of(st.text(), st.integers(), st.none(), st.lists(st.text())))
def test_a_name_is_in_the_registry_or_refused_with_all_that_are(name: object) -> None:
    if name in list(REGISTRY):
        assert find("attention", name, REGISTRY) == REGISTRY[str(name)]
        return
    with pytest.raises(InvalidParameter) as error:
        find("attention", name, REGISTRY, "a module")
    said = str(error.value)
    assert said.startswith("no attention is named ")
    assert said.endswith("; expected one of exact, PerFormer, elu, or a module")


@pytest.mark.parametrize(("name", "near"), [("exakt", "exact"), ("performer", "PerFormer")])
def test_the_nearest_name_is_proposed_whatever_its_case(name: str, near: str) -> None:
    with pytest.raises(InvalidDataset, match=rf"'{name}' \(did you mean '{near}'\?\); expected"):
        find("attention", name, REGISTRY, error=InvalidDataset)


@pytest.mark.parametrize(
    "call",
    [
        lambda name: make_aggregation(name, 8),
        lambda name: GPSLayer(8, None, AttentionConfig(name)),
        lambda name: make_local_part(name, 8),
        lambda name: build_encoder(EncodingConfig(name, 8)),
        get_preset,
    ],
    ids=["aggr", "attention", "conv", "encodings", "presets"],
)
@pytest.mark.parametrize("name", ["exakt", "", None, 3])
def test_each_registry_refuses_in_the_same_words(call, name: object) -> None:
    with pytest.raises(Exception, match=rf"^no [a-z ]+ is named {name!r}.*; expected one of "):
        call(name)


def test_what_was_there_stays_until_the_new_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "file"
    write_whole(path, lambda partial: partial.write_bytes(b"old"))

    def half(partial: Path) -> None:
        assert path.read_bytes() == b"old"
        partial.write_bytes(b"ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(WriteFailed, match=r"file cannot be written \(No space left"):
        write_whole(path, half)
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, lambda partial: (_ for _ in ()).throw(KeyboardInterrupt))
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["file"]


def test_plain_values_come_back_and_all_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"name": "π", "list": [1, None]})
    assert read_json(path, "write it again") == {"name": "π", "list": [1, None]}
    for data, said in (
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[]", "a list, expected"),
    ):
        path.write_bytes(data)
        with pytest.raises(UnreadableFile, match=rf"a\.json:? {said}.*; write it again"):
            read_json(path, "write it again")
    with pytest.raises(UnreadableFile, match=r"none\.json does not exist; write it again"):
        read_json(tmp_path / "none.json", "write it again")
