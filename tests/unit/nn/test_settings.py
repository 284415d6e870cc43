"""Fields of frozen dataclasses: checked, and kept as plain Python values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.nn import AttentionConfig, FeatureConfig, GPSConfig, TrainingConfig
from graphagg.nn.encodings import RWSE
from graphagg.nn.settings import part_width


def test_numbers_of_numpy_become_pythons_own() -> None:
    config = GPSConfig(
        FeatureConfig(vocabulary=[np.int64(3)]),  # type: ignore[arg-type]
        channels=np.int32(8),  # type: ignore[arg-type]
        attention=AttentionConfig(dropout=np.float32(0.5)),  # type: ignore[arg-type]
    )
    assert GPSConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    training = TrainingConfig(epochs=np.int64(3), lr=np.float32(0.5))  # type: ignore[arg-type]
    assert json.loads(json.dumps(training.to_dict())) == TrainingConfig(epochs=3, lr=0.5).to_dict()
    assert repr(RWSE(np.int64(7))) == repr(RWSE(7))  # type: ignore[arg-type]


@given(st.integers(-3, 40), st.integers(1, 40))
def test_parts_divide_the_width_or_are_refused(parts: int, width: int) -> None:
    if parts in [n for n in range(1, width + 1) if width % n == 0]:
        assert part_width("heads", parts, "channels", width) * parts == width
        return
    with pytest.raises(InvalidParameter, match=rf"^heads is {parts}, wanted "):
        part_width("heads", parts, "channels", width)
