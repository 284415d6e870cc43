"""The bench of set tasks: its answers by brute force, and a small run of it."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from benchmarks.learning.sets_tasks import (
    TASKS,
    draw,
)

BY_HAND = {
    "second-minimum": lambda values: sorted(values)[1],
    "times-of-minimum": lambda values: min(
        3, sorted(Counter(v >> 4 for v in values).items())[0][1]
    ),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("sizes", [(2, 16), (40, 40)])
def test_answers(task: str, sizes: tuple[int, int]) -> None:
    sets = draw(task, 50, sizes, 0.5, seed=1)
    parts = sets.values.tensor_split(sets.ptr[1:-1])
    assert len(parts) == 50 and all(sizes[0] <= len(part) <= sizes[1] for part in parts)
    assert [BY_HAND[task](part.tolist()) for part in parts] == sets.answers.tolist()
    assert sets.values.min() >= 0 and sets.values.max() < 256
    again = draw(task, 50, sizes, 0.5, seed=1)
    assert torch.equal(again.values, sets.values)
