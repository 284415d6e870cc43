from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk
from torch.nn import functional

from graphagg.nn.training.metrics import class_weights, loss_of, score

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
    recalls = [(found[wanted == c] == c).double().mean().item() for c in wanted.unique()]
    assert score("weighted-accuracy", logits, wanted) == pytest.approx(np.mean(recalls))
    f1 = sk.f1_score(wanted, found, average="macro", zero_division=0)
    assert score("f1", logits, wanted) == pytest.approx(f1)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_weighted_cross_entropy_is_the_benchmarks(seed: int) -> None:
    """Benchmarking-GNNs: weight (n - n_c) / n of each class that is present."""
    logits, wanted = drawn(seed)
    n = len(wanted)
    weights = [(n - int((wanted == c).sum())) / n if (wanted == c).any() else 0 for c in range(4)]
    assert class_weights(wanted, 4).tolist() == pytest.approx(weights)
    terms = [-functional.log_softmax(row, 0)[c] for row, c in zip(logits, wanted, strict=True)]
    mean = sum(t * weights[c] for t, c in zip(terms, wanted, strict=True)) / sum(
        weights[c] for c in wanted
    )
    got = loss_of("weighted-cross-entropy", logits, wanted)
    assert got.item() == pytest.approx(float(mean))


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
    loss = loss_of("binary", torch.from_numpy(logits), torch.from_numpy(truth)).item()
    known = ~np.isnan(truth)
    p = 1 / (1 + np.exp(-logits[known]))
    by_hand = -(truth[known] * np.log(p) + (1 - truth[known]) * np.log(1 - p)).mean()
    assert loss == pytest.approx(by_hand)


@settings(deadline=None, max_examples=30)
@given(seeds)
def test_reciprocal_ranks_by_hand(seed: int) -> None:
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 5, 30).astype(float)  # ties
    truth, query = generator.integers(0, 2, 30), generator.integers(0, 4, 30)
    ranks = []
    for i in np.flatnonzero(truth):
        false = values[(query == query[i]) & (truth == 0)]
        ranks.append(1 + (false > values[i]).sum() + (false == values[i]).sum() / 2)
    wanted = np.mean(1 / np.array(ranks)) if ranks else math.nan
    tensors = [torch.from_numpy(a) for a in (values[:, None], truth, query)]
    assert score("mrr", *tensors) == pytest.approx(wanted, nan_ok=True)


def test_absolute_errors_and_what_is_not_defined() -> None:
    predicted, wanted = torch.tensor([[1.0], [3.0]]), torch.tensor([2.0, 1.0])
    assert score("mae", predicted, wanted) == 1.5
    assert loss_of("l1", predicted, wanted) == 1.5
    assert loss_of("mse", predicted, wanted) == 2.5
    assert math.isnan(score("roc-auc", predicted, torch.ones(2, 1)))
    unknown = torch.full((2, 1), math.nan)
    loss = loss_of("binary", predicted.requires_grad_(), unknown)
    assert loss.item() == 0
    loss.backward()
    assert predicted.grad is not None and not predicted.grad.any()
