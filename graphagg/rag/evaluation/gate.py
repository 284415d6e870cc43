"""A quality gate for CI: minimum values of metrics, and a report in Markdown or JUnit XML."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from graphagg.errors import InvalidParameter
from graphagg.rag.evaluation.measure import RetrievalEvaluation


@dataclass(frozen=True)
class MetricCheck:
    """The value of a metric and its minimum, both from 0 to 1."""

    metric: str
    least: float
    value: float

    @property
    def passes(self) -> bool:
        """Whether the value reaches the minimum."""
        return self.value >= self.least

    def __str__(self) -> str:
        sign = ">=" if self.passes else "<"
        return f"{self.metric} {self.value:.4f} {sign} {self.least:g}"


def check_metrics(evaluation: RetrievalEvaluation, least: Iterable[str]) -> list[MetricCheck]:
    """Compare metrics with minimum values such as `recall@5=0.8`.

    Raises:
        InvalidParameter: a text has the wrong format, or names a metric that was not measured.
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
                f"`fail_below` is {text!r}, expected METRIC=VALUE with a value from 0 to 1 and one "
                f"of {', '.join(evaluation.quality)}"
            )
        checks.append(MetricCheck(name, bound, evaluation.quality[name] / 100))
    return checks


def check_report(path: Path) -> None:
    """Raise `InvalidParameter` if the name of the report does not end in `.md` or `.xml`."""
    if path.suffix not in (".md", ".xml"):
        raise InvalidParameter(f"report is {str(path)!r}, expected a name that ends in .md or .xml")


def write_report(path: Path, checks: Sequence[MetricCheck], questions: int) -> None:
    """Write checks as JUnit XML (`.xml`), or as a table in Markdown (`.md`)."""
    if path.suffix == ".xml":
        failures = str(sum(not each.passes for each in checks))
        suite = ElementTree.Element(
            "testsuite", name="retrieval", tests=str(len(checks)), failures=failures
        )
        for each in checks:
            case = ElementTree.SubElement(
                suite, "testcase", classname="graphagg.retrieval", name=each.metric
            )
            if not each.passes:
                ElementTree.SubElement(case, "failure", message=str(each))
        path.write_bytes(ElementTree.tostring(suite, "utf-8", xml_declaration=True))
        return
    rows = (
        f"| {each.metric} | {each.value:.4f} | {each.least:g} | {'yes' if each.passes else 'no'} |"
        for each in checks
    )
    head = "| metric | value | least | passes |", "| --- | ---: | ---: | --- |"
    path.write_text("\n".join([f"{questions:,} questions", "", *head, *rows, ""]), "utf-8")
