from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.nn.training import TrainingConfig
from graphagg.nn.training.module import rate


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metric", "rmse"),
        ("loss", "hinge"),
        ("schedule", "linear"),
        ("precision", "float16"),
        ("epochs", 0),
        ("epochs", 2.5),
        ("batch_size", True),
        ("lr", 0.0),
        ("lr", math.nan),
        ("lr", "fast"),
        ("weight_decay", -1e-3),
        ("clip_norm", math.inf),
        ("warmup_epochs", 101),
        ("patience", -1),
        ("fanouts", [10, 0]),
        ("random_state", -1),
    ],
)
def test_a_value_outside_is_named_with_what_was_wanted(key: str, value: Any) -> None:
    with pytest.raises(InvalidParameter, match=rf"{key} is .*wanted"):
        TrainingConfig(**{key: value})


def test_unknown_keys_are_refused_and_plain_values_come_back() -> None:
    config = TrainingConfig("mae", epochs=7, fanouts=(10, 5), lr=3e-4)
    assert TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    with pytest.raises(InvalidParameter, match="'learning_rate'"):
        TrainingConfig.from_dict({"learning_rate": 1.0})


@given(st.integers(1, 60), st.integers(0, 20), st.sampled_from(["cosine", "constant"]))
def test_the_rate_rises_to_one_and_falls_to_zero(epochs: int, warm: int, schedule: Any) -> None:
    warm = min(warm, epochs)
    training = TrainingConfig(epochs=epochs, warmup_epochs=warm, schedule=schedule)
    rates = [rate(training, epoch) for epoch in range(epochs + 1)]
    assert all(0 < r <= 1 for r in rates[:epochs])
    assert rates[:warm] == sorted(rates[:warm])
    assert rates[:warm] == [pytest.approx((e + 1) / (warm + 1)) for e in range(warm)]
    after = rates[warm:]
    if epochs > warm:
        assert after[0] == 1
        assert after == sorted(after, reverse=True)
        assert after[-1] == pytest.approx(0.0 if schedule == "cosine" else 1.0, abs=1e-12)
