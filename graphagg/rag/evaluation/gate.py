"""A gate for CI: least values of metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from graphagg.errors import InvalidParameter
from graphagg.rag.evaluation.measure import RetrievalEvaluation


@dataclass(frozen=True)
class MetricCheck:
    """A metric and its least value, both from 0 to 1."""

    metric: str
    least: float
    value: float

    @property
    def passes(self) -> bool:
        """Whether the value is not below the least one."""
        return self.value >= self.least

    def __str__(self) -> str:
        sign = ">=" if self.passes else "<"
        return f"{self.metric} {self.value:.4f} {sign} {self.least:g}"


def check_metrics(evaluation: RetrievalEvaluation, least: Iterable[str]) -> list[MetricCheck]:
    """Compare metrics with least values such as `recall@5=0.8`.

    Raises:
        InvalidParameter: a text has another form, or names a metric that was not measured.
    """
    checks = []
    for text in least:
        name, _, value = text.partition("=")
        try:
            bound = float(value)
        except ValueError:
            bound = -1.0
        if name not in evaluation.quality or not 0 <= bound <= 1:
            raise InvalidParameter(
                f"`fail_below` is {text!r}, wanted METRIC=VALUE with a value from 0 to 1 and one "
                f"of {', '.join(evaluation.quality)}"
            )
        checks.append(MetricCheck(name, bound, evaluation.quality[name] / 100))
    return checks
