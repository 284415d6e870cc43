"""The study's fit finds the law that costs were made by; its inputs keep theirs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.report import Report
from benchmarks.retrieval.generated_corpus import GeneratedCorpus
from benchmarks.scaling.cells import JOBS, Series, load, series, widest
from benchmarks.scaling.inputs import power_law_edges
from benchmarks.scaling.tables import write


def cell(job: str, scale: int, workers: int, cpu: float) -> dict[str, object]:
    amount = JOBS[job].base * scale if job in JOBS else 0
    sizes = ("wall", "shuffle_written", "spilled", "executor_pss", "work_peak", "index", "tasks")
    figures: dict[str, object] = dict.fromkeys(sizes, 1000 * scale)
    return figures | {
        "job": job, "scale": scale, "workers": workers, "amount": amount, "cpu": cpu,
    }  # fmt: skip


def results(exponent: float, empty: float = 7.0, a: float = 0.01) -> list[dict[str, object]]:
    runs = [cell("empty", run, 2, empty + shift) for run, shift in enumerate((-1.0, 0.0, 5.0))]
    job = JOBS["passages"]
    costs = [(s, a * (job.base * s) ** exponent) for s in job.scales]
    return runs + [cell("passages", scale, 2, empty + cost) for scale, cost in costs]


@pytest.mark.parametrize("exponent", [0.8, 1.0, 1.3])
def test_the_exponent_comes_back(exponent: float) -> None:
    fitted = series(results(exponent), "passages", 2, "cpu")
    assert fitted.exponent == pytest.approx(exponent)
    assert fitted.last_exponent == pytest.approx(exponent)
    assert fitted.growth() == pytest.approx(10**exponent)
    grown = fitted.values[-1] * (10**9 / fitted.amounts[-1]) ** max(exponent, 1.0)
    assert fitted.projected(10**9) == pytest.approx(grown)


def test_what_a_job_pays_once_makes_no_projection_better() -> None:
    amounts = (10, 30, 100)
    plain = Series(amounts, tuple(2.0 * n for n in amounts))
    with_start = Series(amounts, tuple(50.0 + 2.0 * n for n in amounts))
    assert with_start.exponent is not None and with_start.exponent < 0.7
    assert with_start.projected(10**6) >= plain.projected(10**6)  # type: ignore[operator]


def test_tables_of_any_part_of_the_study(tmp_path: Path) -> None:
    all_results = results(1.2)
    for number in range(len(all_results) + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        for result in all_results[:number]:
            path = folder / f"{result['job']}_{result['scale']}x_{result['workers']}w.json"
            path.write_text(json.dumps(result), encoding="utf-8")
        report = Report(folder)
        write(report, load(folder))
        text = report.save().read_text(encoding="utf-8")
        assert ("| NO |" in text) == (number == len(all_results))  # 10^1.2 is more than 12
    assert "15.85" in text
    assert widest(all_results, "passages") == 2


def edges_of(count: int, random_state: int = 0) -> np.ndarray:
    return np.concatenate(list(power_law_edges(count, random_state)))


def test_inputs_hang_on_their_seed_alone() -> None:
    assert np.array_equal(edges_of(2_000), edges_of(2_000))
    assert not np.array_equal(edges_of(2_000), edges_of(2_000, 1))
    assert list(GeneratedCorpus(30)) == list(GeneratedCorpus(30))
