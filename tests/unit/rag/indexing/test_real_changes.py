"""With the default models: changes equal a rebuild, and `compact` equals it to the byte."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphagg.rag import (
    Passage,
    PassageIndex,
    SentenceTransformerEncoder,
    SpacyExtractor,
    read_passages,
)
from graphagg.rag.config.modes import Mode
from tests.conftest import DATA
from tests.fakes import assert_same_hits

ROOT = Path(__file__).parents[4]
DEMO = ROOT / "graphagg" / "rag" / "demo" / "passages.jsonl"
RANKING: tuple[Mode, ...] = ("multihop", "linearrag", "rrf", "dense", "bm25")
QUESTIONS = (
    "On which river does the birthplace of Marie Curie lie?",
    "Who was the husband of the author of Frankenstein?",
    "Which sea does the river of Warsaw flow into?",
    "Who designed the Statue of Liberty, and where was he born?",
)


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {"encoder": SentenceTransformerEncoder(), "extractor": SpacyExtractor()}


def draw(pool: list[Passage], rng: random.Random) -> Passage:
    """A passage of the pool, often with another text: cut short, or two in one."""
    passage, other = rng.choice(pool), rng.choice(pool)
    ways = (passage.text, passage.text[: len(passage.text) // 2], f"{passage.text} {other.text}")
    return replace(passage, text=rng.choice(ways) or "Nothing.", id=f"p{rng.randrange(60)}")


def change(index: PassageIndex, pool: list[Passage], rng: random.Random) -> None:
    ids = [p.id for p in index]
    kind = rng.choice(("add", "add", "update", "delete", "compact"))
    if kind == "add" or len(ids) < 5:
        new = {p.id: p for p in (draw(pool, rng) for _ in range(rng.randint(1, 4)))}
        index.add(new.values(), replace=True)
    elif kind == "update":
        index.update([replace(draw(pool, rng), id=rng.choice(ids))])
    elif kind == "delete":
        index.delete(rng.sample(ids, rng.randint(1, 3)))
    elif rng.random() < 0.2:
        index.compact()


def changed_equals_rebuilt(
    folder: Path, models: dict[str, Any], pool: list[Passage], changes: int, every: int
) -> None:
    rng = random.Random(0)
    options = {**models, "chunking": None}
    index = PassageIndex.build(pool[:20], folder / "changed", **options)
    for number in range(1, changes + 1):
        change(index, pool, rng)
        if number % every == 0:
            place = folder / f"rebuilt{number}"
            with PassageIndex.build(list(index), place, **options) as rebuilt:
                for mode in RANKING:
                    found = index.retrieve_batch(QUESTIONS, 5, mode=mode)
                    expected = rebuilt.retrieve_batch(QUESTIONS, 5, mode=mode)
                    for pair in zip(found, expected, strict=True):
                        assert_same_hits(*pair, 1e-9)
                if number == changes:
                    index.compact()
                    assert index.manifest.data == rebuilt.manifest.data  # the digest of all bytes
    index.close()


def test_some_changes(tmp_path: Path, models: dict[str, Any]) -> None:
    changed_equals_rebuilt(tmp_path, models, list(read_passages(DEMO)), 8, 4)


@pytest.mark.slow
def test_five_hundred_changes(tmp_path: Path, models: dict[str, Any]) -> None:
    wiki = DATA / "2wikimultihopqa" / "passages.jsonl.gz"
    pool = list(read_passages(wiki if wiki.is_file() else DEMO))[:200]
    changed_equals_rebuilt(tmp_path, models, pool, 500, 50)
