"""A few seconds of load on a service; `benchmarks.serving.service` runs longer."""

from __future__ import annotations

from benchmarks.serving.service import Load, run_load
from graphagg.serve.service import Sources


def test_under_load_a_publish_and_a_stop_lose_no_request(indices: Sources) -> None:
    assert indices.passages and indices.communities
    questions = ["Who is Ada?", "Who designed the Engine?", "On which river lies London?"]
    load = Load(
        indices.passages,
        indices.communities,
        1.0,
        clients=12,
        mode="bm25",
        questions=questions,
        lazy=True,  # the models of these indices are stand-ins, which no name finds
    )
    found = run_load(load)
    assert found["failures"] == 0, found["first_failures"]
    assert found["versions_served"] == 4  # two indices, before and after
    assert found["open_at_stop"] == found["finished_after_stop"] == 12
    assert found["exit_code"] == 0, found["last_lines"]
    assert found["requests"] > 100
