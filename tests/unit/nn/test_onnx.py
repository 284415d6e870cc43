"""Layers, encodings and whole models give the same in onnxruntime."""

from __future__ import annotations

import pytest

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

from benchmarks.learning.onnx import REFUSED, difference, parts

# One part of each kind; all of them take a minute.
QUICK = (
    "aggregator lcm", "attention exact, two graphs", "attention performer, one graph",
    "encoding lappe-deepset", "model gps of graphs",
)  # fmt: skip


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in parts()]
)
@pytest.mark.filterwarnings("ignore")
def test_a_part_is_exported_and_equal_or_refused_for_the_reason_that_is_documented(
    name: str,
) -> None:
    module, given = parts()[name]()
    if reason := next((why for part, why in REFUSED.items() if part in name), None):
        with pytest.raises(Exception, match=reason):
            difference(module, given)
    else:
        assert difference(module, given) < 1e-5
