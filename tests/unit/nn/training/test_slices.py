"""A training in slices of minutes is the training in one piece."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphagg.errors import InvalidParameter, TrainingPaused
from graphagg.nn.training import TrainingConfig, train
from graphagg.nn.training.fit.time_budget import TimeBudget
from tests.unit.nn.training.test_train import equal_weights, scores
from tests.unit.nn.training.toys import many, tiny

SHORT = TrainingConfig(epochs=3, batch_size=4, lr=1e-2, warmup_epochs=1)
NO_TIME = 1e-9  # minutes; an epoch is done all the same


def test_slices_of_an_epoch_give_the_whole_run(tmp_path: Path) -> None:
    whole = train(tiny, many(), tmp_path / "whole", training=SHORT)
    sliced = tmp_path / "sliced"
    for epoch in (1, 2):
        with pytest.raises(TrainingPaused, match=f"after epoch {epoch} of 3.* --resume"):
            train(tiny, many(), sliced, training=SHORT, minutes=NO_TIME, resume=True)
    last = train(tiny, many(), sliced, training=SHORT, minutes=NO_TIME, resume=True)
    assert scores(last) == scores(whole)
    assert equal_weights(sliced, tmp_path / "whole")
    again = train(tiny, many(), sliced, training=SHORT, minutes=NO_TIME, resume=True)
    assert scores(again) == scores(whole)


def test_an_epoch_that_would_end_too_late_is_not_begun() -> None:
    limit = TimeBudget(60.0)
    limit.took(30.0)
    assert not limit.over
    limit.took(2 * 3600.0)
    limit.took(1.0)  # the longest counts
    assert limit.over
    unlimited = TimeBudget(None)
    unlimited.took(1e9)
    assert not unlimited.over


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_minutes_must_be_some(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(InvalidParameter, match="minutes is"):
        train(tiny, many(), tmp_path / "run", training=SHORT, minutes=minutes)
