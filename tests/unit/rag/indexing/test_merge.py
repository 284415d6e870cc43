"""Shards that are joined answer as one index of all passages."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import (
    DuplicateId,
    GraphAggError,
    InvalidParameter,
    ModelMismatch,
    NotAnArtifact,
    UnsupportedFormat,
)
from graphagg.nearest import search
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.indexing import build as build_module
from graphagg.rag.snapshot import snapshot as opening
from tests.fakes import FakeEncoder
from tests.unit.rag.corpora import (
    ENCODER,
    EXTRACTOR,
    SENTENCES,
    TITLES,
    answers,
    assert_same_answers,
    build,
)

MODELS = {"encoder": ENCODER, "extractor": EXTRACTOR}


def parts(seed: int, shards: int) -> list[list[Passage]]:
    rng = random.Random(seed)
    passages = [
        Passage(f"p{i}", " ".join(rng.choices(SENTENCES, k=2)), rng.choice(TITLES), {"n": i % 3})
        for i in range(rng.randint(shards, 16))
    ]
    cuts = sorted(rng.sample(range(1, len(passages)), shards - 1))
    return [passages[a:b] for a, b in zip([0, *cuts], [*cuts, len(passages)], strict=True)]


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_shards_answer_as_one_index(
    tmp_path_factory: pytest.TempPathFactory, seed: int, shards: int
) -> None:
    folder, corpora = tmp_path_factory.mktemp("join"), parts(seed, shards)
    for i, corpus in enumerate(corpora):
        with build(corpus, folder / f"s{i}") as shard:
            if len(corpus) > 2:  # a shard of several segments, and a row that is gone
                shard.delete([corpus[-1].id])
                shard.add([corpus[-1]])
    names = [folder / f"s{i}" for i in range(shards)]
    every = [passage for corpus in corpora for passage in corpus]
    with (
        build(every, folder / "one") as one,
        PassageIndex.merge(names, folder / "idx", **MODELS) as joined,
    ):
        assert_same_answers(answers(joined), answers(one))
        assert joined.manifest.inputs == one.manifest.inputs
        joined.compact()
        assert joined.manifest.data == one.manifest.data


@pytest.mark.parametrize("flat", [1000, 8])
def test_four_shards_with_faiss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flat: int) -> None:
    """All lists are read and all vectors compared, so that both find what numpy finds."""
    monkeypatch.setattr(search, "SMALL", 8)
    monkeypatch.setattr(search, "FLAT", flat)
    monkeypatch.setattr(search, "_LISTS_MARGIN", 100)
    rng = random.Random(3)
    corpus = [Passage(f"p{i}", " ".join(rng.choices(SENTENCES, k=3))) for i in range(48)]
    names = [tmp_path / f"s{i}" for i in range(4)]
    for i, name in enumerate(names):
        build(corpus[12 * i : 12 * i + 12], name).close()
    with (
        build(corpus, tmp_path / "one") as one,
        PassageIndex.merge(names, tmp_path / "idx", **MODELS) as joined,
    ):
        assert all(s.search is not None for s in joined.snapshot.corpus.segments)
        assert_same_answers(answers(joined, k=40), answers(one, k=40))
        joined.delete(["p1", "p31"])
        joined.add([corpus[1], corpus[31]])
        joined.update([corpus[34]])
        moved = {"p1", "p31", "p34"}
        order = [p for p in corpus if p.id not in moved] + [p for p in corpus if p.id in moved]
        with build(order, tmp_path / "again") as rebuilt:
            assert_same_answers(answers(joined, k=40), answers(rebuilt, k=40))
            joined.compact()
            assert joined.manifest.data == rebuilt.manifest.data


def test_to_replace_a_shard_writes_no_other(tmp_path: Path) -> None:
    corpora = parts(5, 3)
    for i, corpus in enumerate(corpora):
        build(corpus, tmp_path / f"s{i}").close()
    names = [tmp_path / f"s{i}" for i in range(3)]
    with PassageIndex.merge(names, tmp_path / "idx", **MODELS) as joined:
        links = [joined.snapshot.artifact.path(f"s{i}.windows.faiss").stat() for i in range(3)]
    corpora[1] = [Passage("other", "Ada saw Paris."), *corpora[1][1:]]
    build(corpora[1], tmp_path / "s1").close()
    with (
        PassageIndex.merge(names, tmp_path / "idx", **MODELS) as joined,
        build([p for corpus in corpora for p in corpus], tmp_path / "one") as one,
    ):
        again = [joined.snapshot.artifact.path(f"s{i}.windows.faiss").stat() for i in range(3)]
        same = [a.st_ino == b.st_ino for a, b in zip(links, again, strict=True)]
        assert same == [True, False, True]
        assert_same_answers(answers(joined), answers(one))


def test_a_shard_that_does_not_fit_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = parts(7, 2)
    build(first, tmp_path / "a").close()
    build(second, tmp_path / "b").close()
    build(second, tmp_path / "other", encoder=FakeEncoder("other")).close()
    with monkeypatch.context() as patch:
        patch.setattr(build_module, "REVISION", 1)
        patch.setattr(opening, "REVISION", 1)
        build(second, tmp_path / "older").close()
    with PassageIndex.merge([tmp_path / "a", tmp_path / "b"], tmp_path / "idx", **MODELS) as joined:
        before, data = answers(joined), joined.manifest.data
        refused: list[tuple[list[str], type[GraphAggError], str]] = [
            (["a", "none"], NotAnArtifact, "none"),
            (["a", "older"], UnsupportedFormat, "revision 1"),
            (["a", "other"], ModelMismatch, "other models"),
            (["a", "b", "a"], DuplicateId, "is in two shards"),
            ([], InvalidParameter, "no shard"),
        ]
        for names, error, message in refused:
            with pytest.raises(error, match=message):
                PassageIndex.merge([tmp_path / name for name in names], tmp_path / "idx")
        joined.reopen()
        assert joined.manifest.data == data
        assert_same_answers(answers(joined), before)
