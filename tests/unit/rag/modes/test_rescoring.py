"""What may be added to scores: recency; and `as_of`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import InvalidParameter
from graphagg.rag import Hit, Passage, PassageIndex, Recency
from graphagg.rag.config.modes import MODES, Mode
from tests.fakes import FakeEncoder, FakeExtractor, assert_same_hits

DAYS = ("2026-01-01", "2026-01-11", "2026-01-31T12:00:00Z", "2026-03-02", "soon", None)
SENTENCES = (
    "Ada met Charles at the river.",
    "Charles wrote to Ada from London.",
    "the river was high in London.",
    "Ada paid the rent of the flat in London.",
    "nobody paid for the boat.",
)
QUESTION = "Who paid the rent in London?"
CORPORA = st.lists(
    st.tuples(st.sampled_from(SENTENCES), st.sampled_from(DAYS)), min_size=1, max_size=9
).map(
    lambda rows: [
        Passage(f"p{i}", f"{text} {i}", metadata={} if when is None else {"when": when})
        for i, (text, when) in enumerate(rows)
    ]
)


def build(passages: Sequence[Passage], directory: Path) -> PassageIndex:
    return PassageIndex.build(
        passages, directory, encoder=FakeEncoder(), extractor=FakeExtractor("en")
    )


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    passages = [
        Passage(f"p{i}", text, "Note" if i == 1 else "", metadata={} if w is None else {"when": w})
        for i, (text, w) in enumerate(zip(SENTENCES, (*DAYS[:4], None), strict=True))
    ]
    return build(passages, tmp_path_factory.mktemp("rescoring") / "i")


def check_sums(hits: Sequence[Hit]) -> None:
    for hit in hits:
        assert math.isclose(sum(hit.components.values()), hit.score, abs_tol=1e-9)
        assert math.isclose(sum(h.contribution for h in hit.path), hit.score, abs_tol=1e-9)


@settings(deadline=None, max_examples=10)
@given(
    CORPORA, st.floats(0.0, 3.0), st.integers(1, 4), st.sampled_from(("multihop", "bm25", "dense"))
)
def test_recency_ranks_as_the_sum_over_all_passages(
    passages: list[Passage], weight: float, k: int, mode: Mode
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        index = build(passages, Path(folder, "i"))
        plain = index.retrieve(QUESTION, len(passages), mode=mode)
        if all(p.metadata.get("when") in (None, "soon") for p in passages):
            with pytest.raises(InvalidParameter, match="recency: no passage has a date"):
                index.retrieve(QUESTION, recency=Recency(weight))
            return
        found = index.retrieve(QUESTION, k, mode=mode, recency=Recency(weight, half_life=10))
    dated = [p.metadata["when"] for p in passages if p.metadata.get("when") not in (None, "soon")]
    newest = max(map(moment, dated), default=None)
    expected = {}
    for hit in plain:
        when = hit.passage.metadata.get("when")
        gain = 0.0
        if newest is not None and when not in (None, "soon"):
            gain = weight * 0.5 ** ((newest - moment(when)).total_seconds() / 86_400 / 10)
        expected[hit.passage.id] = hit.score + gain
    best = sorted(expected, key=lambda identifier: (-expected[identifier], identifier))
    assert [hit.passage.id for hit in found] == best[:k]
    assert [hit.score for hit in found] == pytest.approx([expected[i] for i in best[:k]])
    check_sums(found)


def moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@settings(deadline=None, max_examples=10)
@given(CORPORA, st.sampled_from(("2025-12-31", "2026-01-11", "2026-02-01T00:00:00+02:00")))
def test_as_of_is_an_index_of_what_was_known_then(passages: list[Passage], as_of: str) -> None:
    def known(p: Passage) -> bool:
        when = p.metadata.get("when")
        return when in (None, "soon") or moment(when) <= moment(as_of)

    past = [p for p in passages if known(p)]
    if not any(p.metadata.get("when") not in (None, "soon") for p in passages):
        return
    with tempfile.TemporaryDirectory() as folder:
        index = build(passages, Path(folder, "all"))
        then = build(past, Path(folder, "then")) if past else None
        for mode in MODES:
            found = index.retrieve(QUESTION, 4, mode=mode, as_of=as_of)
            expected = then.retrieve(QUESTION, 4, mode=mode) if then else []
            assert_same_hits(found, expected, 1e-6 if mode == "linearrag" else 1e-12)


def test_a_date_of_python_and_a_filter_beside_it(index: PassageIndex) -> None:
    def ids(**options: Any) -> set[str]:
        return {hit.passage.id for hit in index.retrieve(QUESTION, 9, **options)}

    assert ids(as_of=date(2026, 1, 11)) == ids(as_of="2026-01-11") == {"p0", "p1", "p4"}
    assert ids(as_of=datetime(2026, 1, 31, 12, tzinfo=UTC)) == {"p0", "p1", "p2", "p4"}
    later = {"when": {"gt": "2026-01-05"}}
    assert ids(as_of="2026-02-01", filter=later) == {"p1", "p2"}
    assert ids(as_of="2025-01-01", exclude=["p4"]) == set()
    hidden = index.explain(QUESTION, "p3", as_of="2026-01-11")
    assert hidden.rank is None and "left out" in hidden.reason
    hits = index.retrieve(QUESTION, 5, as_of="2026-01-21", recency=Recency(0.5, half_life=10))
    gains = {hit.passage.id: hit.components.get("recency", 0.0) for hit in hits}
    assert gains == pytest.approx({"p0": 0.125, "p1": 0.25, "p4": 0.0})
    check_sums(hits)


def test_a_corpus_without_dates(tmp_path: Path) -> None:
    index = build([Passage("p", "Ada paid.", metadata={"when": "soon"})], tmp_path / "i")
    with pytest.raises(InvalidParameter, match="no passage has a date in its metadata 'when'"):
        index.retrieve(QUESTION, as_of="2026-01-01")
    with pytest.raises(InvalidParameter, match="recency: no passage has a date in its metadata"):
        index.retrieve(QUESTION, recency=Recency(1.0))


def test_explanations_say_what_was_added(index: PassageIndex) -> None:
    options: dict[str, Any] = {"recency": Recency(0.2)}
    first = index.retrieve(QUESTION, 1, **options)[0]
    why = index.explain(QUESTION, first.passage.id, 1, **options)
    assert (why.rank, why.hit) == (1, first)
    assert why.reason == "rank 1: ranked by multihop with recency"
    other = index.retrieve(QUESTION, 3, **options)[2]
    why = index.explain(QUESTION, other.passage.id, 1, **options)
    assert why.rank is None and why.hit == other and why.threshold == first.score
    assert why.reason == "1 passages score higher with recency"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"as_of": "yesterday"}, "as_of is .*, expected an ISO 8601 date like"),
        ({"as_of": "2026-02-30"}, "as_of is .*, expected an ISO 8601 date like"),
        ({"as_of": 20260101}, "as_of is .*, expected an ISO 8601 date like"),
    ],
)
def test_options_that_are_wrong(index: PassageIndex, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        index.retrieve(QUESTION, **options)
    for weight, half_life in ((-1.0, 30.0), (math.nan, 30.0), (1.0, 0.0), (1.0, math.inf)):
        with pytest.raises(InvalidParameter, match=r"(recency|half_life) is .*, expected a finite"):
            Recency(weight, half_life)
