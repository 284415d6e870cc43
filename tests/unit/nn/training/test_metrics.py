from __future__ import annotations

import math
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from graphagg.errors import InvalidDataset
from graphagg.nn.config.training import Loss
from graphagg.nn.training.metrics import compute_loss, score

seeds = st.integers(0, 10_000)


def drawn(seed: int, rows: int = 40, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(0, classes - seed % 2, (rows,), generator=generator)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_accuracies_and_f1_are_scikit_learns(seed: int) -> None:
    logits, wanted = drawn(seed)
    found = logits.argmax(1)
    assert score("accuracy", logits, wanted) == pytest.approx(sk.accuracy_score(wanted, found))
    f1 = sk.f1_score(wanted, found, average="macro", zero_division=0)
    assert score("f1", logits, wanted) == pytest.approx(f1)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_columns_with_unknown_labels_are_averaged_as_ogb_does(seed: int) -> None:
    generator = np.random.default_rng(seed)
    logits = generator.integers(-3, 4, (30, 5)).astype(float)
    truth = generator.integers(0, 2, (30, 5)).astype(float)
    truth[generator.random((30, 5)) < 0.2] = math.nan
    truth[:, 4] = 1.0  # one class alone: left out
    for metric, measure in (("roc-auc", sk.roc_auc_score), ("ap", sk.average_precision_score)):
        each = [
            measure(truth[known, c], logits[known, c])
            for c in range(4)
            for known in [~np.isnan(truth[:, c])]
        ]
        got = score(metric, torch.from_numpy(logits), torch.from_numpy(truth))  # type: ignore[arg-type]
        assert got == pytest.approx(np.mean(each))
    loss = compute_loss("binary", torch.from_numpy(logits), torch.from_numpy(truth)).item()
    known = ~np.isnan(truth)
    p = 1 / (1 + np.exp(-logits[known]))
    by_hand = -(truth[known] * np.log(p) + (1 - truth[known]) * np.log(1 - p)).mean()
    assert loss == pytest.approx(by_hand)


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from(get_args(Loss)))
def test_unknown_labels_count_neither_in_the_loss_nor_in_its_gradient(
    seed: int, objective: Loss
) -> None:
    """As if the rows, or the single numbers, that are unknown had been left out."""
    generator = torch.Generator().manual_seed(seed)
    of_classes = "entropy" in objective
    predicted = torch.randn(20, 3, generator=generator, dtype=torch.float64).requires_grad_()
    unknown = torch.rand((20,) if of_classes else (20, 3), generator=generator) < 0.4
    unknown.view(-1)[0] = False
    if of_classes:
        wanted = torch.randint(0, 3, (20,), generator=generator).masked_fill(unknown, -1)
    else:
        wanted = torch.randint(0, 2, (20, 3), generator=generator).double()
        wanted = wanted.masked_fill(unknown, math.nan)
    loss = compute_loss(objective, predicted, wanted)
    few, known = predicted[~unknown], wanted[~unknown]
    few = few if of_classes else few.unsqueeze(1)
    assert loss.item() == pytest.approx(compute_loss(objective, few, known).item())
    (gradient,) = torch.autograd.grad(loss, predicted)
    assert gradient.isfinite().all() and gradient.any()
    assert not gradient[unknown].any()


@pytest.mark.parametrize("objective", get_args(Loss))
@pytest.mark.parametrize("answer", [1.0, math.nan, math.inf])
def test_nothing_known_is_a_loss_and_a_gradient_of_zero(objective: Loss, answer: float) -> None:
    of_classes = "entropy" in objective
    predicted = torch.full((2, 3), answer, requires_grad=True)
    unknown = torch.full((2,), -1) if of_classes else torch.full((2, 3), math.nan)
    loss = compute_loss(objective, predicted, unknown)
    assert loss.item() == 0
    loss.backward()
    assert predicted.grad is not None and torch.equal(predicted.grad, torch.zeros(2, 3))


@pytest.mark.parametrize(
    ("metric", "wanted", "message"),
    [
        ("roc-auc", torch.ones(4, 2), r"'roc-auc' is not defined on .*2 columns.*both classes"),
        ("ap", torch.zeros(4, 2), r"'ap' is not defined on .*0 ones and 8 zeros.*both classes"),
        ("ap", torch.full((4, 2), math.nan), r"'ap' is .*0 ones and 0 zeros"),
        ("mae", torch.full((4, 2), math.nan), r"'mae' is .*none of 8 labels is known.*expected"),
        ("accuracy", torch.full((4,), -1), r"'accuracy' is .*none of 4 labels is known"),
        ("f1", torch.full((4,), -1), r"'f1' is .*none of 4 labels"),
        ("f1", torch.full((4,), -1), r"'f1' is not defined on the test part: none of 4 labels"),
    ],
)
def test_a_score_that_is_not_defined_is_said(
    metric: Any, wanted: torch.Tensor, message: str
) -> None:
    with pytest.raises(InvalidDataset, match=message):
        score(metric, torch.randn(4, 2), wanted, "the test part")
