"""Parts that are opened together answer as their merged index."""

from __future__ import annotations

import random
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import DuplicateId, GraphAggError, IndexClosed, InvalidParameter
from graphagg.rag import Passage, PassageIndex, PassageParts, Recency
from tests.fakes import assert_same_hits
from tests.unit.rag.corpora import ENCODER, EXTRACTOR, POOLING, QUESTIONS, WAYS, build, passages
from tests.unit.rag.modes.test_large import large_corpus

IDS = [f"p{i}" for i in range(14)]
CORPORA = st.lists(passages(IDS), min_size=2, max_size=12, unique_by=lambda p: p.id)
ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"filter": {"year": {"gte": 1991}}},
    {"exclude": ["p1", "p4"], "neighbors": 1},
    {"as_of": "2001-06-01", "recency": Recency(0.5)},
    {"history": ["Who built the Engine of Ada Lovelace?"]},
)


def asked(index: PassageIndex | PassageParts, mode: str, **options: Any) -> Any:
    name, config = WAYS[mode]
    try:
        return index.retrieve_batch(QUESTIONS, 4, mode=name, config=config, **options)
    except GraphAggError as error:  # no passage has a date, or such metadata
        return str(error)


def assert_parts_answer_as(
    joined: PassageIndex, parts: PassageParts, large: bool, options: Any
) -> None:
    for mode in WAYS.keys() - {"linearrag"}:
        with large_corpus() if large else nullcontext():
            found = asked(parts, mode, **options)
        wanted = asked(joined, mode, **options)
        if isinstance(wanted, str):
            assert found == wanted
            continue
        for hits, expected in zip(found, wanted, strict=True):
            assert_same_hits(hits, expected, 1e-9)
            assert hits.confidence == expected.confidence


@settings(max_examples=max(settings().max_examples // 5, 1))
@given(CORPORA, st.integers(1, 4), st.booleans(), st.integers(0, 2**32 - 1))
def test_parts_answer_as_one_index(
    tmp_path_factory: pytest.TempPathFactory,
    corpus: list[Passage],
    count: int,
    pooling: bool,
    seed: int,
) -> None:
    folder, rng = tmp_path_factory.mktemp("parts"), random.Random(seed)
    models = {"encoder": POOLING if pooling else ENCODER, "extractor": EXTRACTOR}
    rng.shuffle(corpus)
    groups = [corpus[i::count] for i in range(min(count, len(corpus)))]
    names = [folder / f"s{i}" for i in range(len(groups))]
    for name, group in zip(names, groups, strict=True):
        build(group, name, **models).close()
    with PassageParts.open(names, **models) as parts:
        with PassageIndex.merge(names, folder / "one", **models) as joined:
            assert_parts_answer_as(joined, parts, bool(seed % 2), rng.choice(ASKED))
        changed = parts.parts[seed % len(names)]
        if len(changed) > 1:
            changed.delete([next(iter(changed)).id])
        changed.add([Passage("new", f"{corpus[0].text} Ada King Lovelace met Babbage.", "Ouse")])
        parts.reopen()
        with PassageIndex.merge(names, folder / "one", **models) as joined:
            assert len(parts) == len(joined)
            for options in (rng.choice(ASKED), {"filter": {"lang": "en"}}):
                assert_parts_answer_as(joined, parts, False, options)
            for name in ("new", corpus[0].id):
                if name in joined:
                    why = [each.explain(QUESTIONS[0], name, 2) for each in (parts, joined)]
                    assert why[0].reason == why[1].reason
                    assert why[0].rank == why[1].rank


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    for name, text in (("a", "Ada saw York."), ("b", "York is old.")):
        build([Passage(name, text)], tmp_path / name).close()
    models = {"encoder": ENCODER, "extractor": EXTRACTOR}
    for names, error in ((["a", "b", "a"], DuplicateId), ([], InvalidParameter)):
        with pytest.raises(error):
            PassageParts.open([tmp_path / name for name in names], **models)
    parts = PassageParts.open([tmp_path / "a", tmp_path / "b"], **models)
    assert ("a" in parts, "c" in parts, parts["b"].text) == (True, False, "York is old.")
    with pytest.raises(InvalidParameter, match="linearrag"):
        parts.retrieve("Who saw York?", mode="linearrag")
    parts.close()
    with pytest.raises(IndexClosed):
        parts.retrieve("Who saw York?")
