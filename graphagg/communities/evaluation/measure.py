"""Measures how much of true communities a query finds, by the authors' protocol.

Paper: arXiv 1601.03958, "Experimental evaluation": draw seeds from a community, grow to its size,
and count the true members among the first 1, 2, ... additions. Departures: a fixed random state
instead of five numbers in the code; the area under the recall curve is scaled so that the perfect
ranking has 1 (theirs has 0.5); bootstrap intervals over communities.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from graphagg.arrays import Array
from graphagg.checks import integer
from graphagg.communities.config import Method, Plan, QueryConfig
from graphagg.communities.index import CommunityIndex
from graphagg.errors import InvalidCommunities
from graphagg.progress import Progress, silent

_RESAMPLES = 2000
_DEFAULT = QueryConfig()


@dataclass(frozen=True)
class Draw:
    """One question: seeds from a community.

    Attributes:
        community: position of the community.
        seeds: `[s]` dense numbers.
        rest: the other members, which are to be found.
    """

    community: int
    seeds: Array
    rest: Array


@dataclass(frozen=True)
class Evaluation:
    """Recall of one method over communities and draws.

    Attributes:
        method, plan: as asked for; `plans` counts the plans that were used.
        communities: number of communities.
        draws: number of draws per community.
        recall: mean over communities of the mean over draws, at community size less seeds.
        recall_interval: 95 % bootstrap interval over communities.
        recall_auc: mean area under the recall curve; perfect is 1.
        latency_ms: wall milliseconds of a ranking, without its reasons: `p50`, `p99`.
        cpu_ms: CPU milliseconds of the thread, the same percentiles.
        plans: number of queries that each plan answered.
        per_community: recall of each community.
    """

    method: str
    plan: str
    communities: int
    draws: int
    recall: float
    recall_interval: tuple[float, float]
    recall_auc: float
    latency_ms: dict[str, float]
    cpu_ms: dict[str, float]
    plans: dict[str, int]
    per_community: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values under the keys of the command line's `--json`."""
        content = asdict(self)
        del content["per_community"]
        return content


def draw_seeds(
    communities: Sequence[Array], seeds: int, draws: int, random_state: int
) -> list[Draw]:
    """Draw seeds from each community of more than `seeds` vertices.

    Raises:
        InvalidParameter: `seeds` or `draws` is under 1.
        InvalidCommunities: no community is large enough.
    """
    integer("seeds", seeds, 1)
    integer("draws", draws, 1)
    generator = np.random.default_rng(random_state)
    questions = []
    for community, members in enumerate(communities):
        if len(members) <= seeds:
            continue
        for _ in range(draws):
            drawn = generator.choice(members, seeds, replace=False)
            questions.append(Draw(community, drawn, np.setdiff1d(members, drawn)))
    if not questions:
        largest = max((len(members) for members in communities), default=0)
        raise InvalidCommunities(
            f"{len(communities)} communities of at most {largest} vertices, wanted one of more "
            f"than {seeds} seeds; ask for fewer seeds or other sizes"
        )
    return questions


def evaluate(
    index: CommunityIndex,
    questions: Sequence[Draw],
    *,
    method: Method = "fused",
    plan: Plan = "auto",
    config: QueryConfig = _DEFAULT,
    random_state: int = 0,
    progress: Progress = silent,
) -> Evaluation:
    """Ask every question and measure.

    A draw none of whose seeds has a neighbor counts as recall 0.

    Args:
        index: the index.
        questions: from `draw_seeds`; the same for every method that is to be compared.
        method: how to rank.
        plan: how to find candidates.
        config: budgets and constants.
        random_state: seed of the bootstrap.
        progress: called after each question.
    """
    recalls, areas, wall, cpu = [], [], [], []
    plans: dict[str, int] = {}
    # Not timed: the first call loads compiled code and maps pages.
    index.rank(questions[0].seeds, len(questions[0].rest), method=method, plan=plan, config=config)
    for done, question in enumerate(questions):
        k = len(question.rest)
        start_wall, start_cpu = time.perf_counter(), time.thread_time()
        ranking = index.rank(question.seeds, k, method=method, plan=plan, config=config)
        members = ranking.vertices[ranking.best(k, question.seeds)]
        cpu.append(time.thread_time() - start_cpu)
        wall.append(time.perf_counter() - start_wall)
        plans[ranking.plan] = plans.get(ranking.plan, 0) + 1
        hits = np.zeros(k)
        hits[: len(members)] = np.isin(members, question.rest)
        recalls.append(float(hits.sum()) / k)
        areas.append(float(np.cumsum(hits).sum()) / (k * (k + 1) / 2))
        progress(method, done + 1, len(questions))
    groups = np.array([question.community for question in questions])
    means = _means(groups, np.array(recalls))
    return Evaluation(
        method=method,
        plan=plan,
        communities=len(means),
        draws=len(questions) // len(means),
        recall=float(means.mean()),
        recall_interval=bootstrap_interval(means, random_state),
        recall_auc=float(_means(groups, np.array(areas)).mean()),
        latency_ms=_percentiles(wall),
        cpu_ms=_percentiles(cpu),
        plans=plans,
        per_community=tuple(means.tolist()),
    )


def bootstrap_interval(means: Array, random_state: int) -> tuple[float, float]:
    """Compute the 95 % percentile interval of the mean, resampling communities."""
    generator = np.random.default_rng(random_state)
    picks = generator.integers(0, len(means), (_RESAMPLES, len(means)))
    low, high = np.percentile(means[picks].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def _means(groups: Array, values: Array) -> Array:
    labels, positions = np.unique(groups, return_inverse=True)
    means: Array = np.bincount(positions, values) / np.bincount(positions, minlength=len(labels))
    return means


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    p50, p99 = np.percentile(np.array(seconds) * 1e3, [50, 99])
    return {"p50": round(float(p50), 3), "p99": round(float(p99), 3)}
