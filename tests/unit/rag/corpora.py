"""Random corpora whose names overlap and repeat, questions on them, and all ways of asking."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from graphagg.rag import Hit, LinearRAGConfig, MultihopConfig, Passage, PassageIndex
from graphagg.rag.config.modes import Config, Mode
from tests.fakes import FakeEncoder, FakeExtractor, PoolingEncoder, assert_same_hits

ENCODER = FakeEncoder(window=12)
POOLING = PoolingEncoder(window=12)
EXTRACTOR = FakeExtractor("en", names=("中国人民", "人民", "中国", "中", "国", "美"))

TITLES = (
    "", "", "", "New York", "New York Times", "York", "Ada Lovelace", "ada", "José Álvarez",
    "Times (newspaper)", "The Engine", "IM-22", "Jorg Muller", "中国", "how to fix it", "May 1999",
    "Ada's Engine", "Ada > The Engine of York", "York > New York > may 1999",
)  # fmt: skip
SENTENCES = (
    "Ada Lovelace read the New York Times in New York.",
    "Ada's brother saw new york before Ada did.",
    "York lies near the River Ouse, and the times were hard.",
    "The Times wrote of José Álvarez and of Jose alone.",
    "nobody is named here.",
    "the engine of Ada Lovelace ran in May 1999.",
    "Jose Alvarez was born in York in May 1999.",
    "The Engine was built by Charles Babbage, the husband of Ada.",
    "New York Times Square was lit by the Engine.",
    "in this long sentence without any name the words go on and on until a window has ended.",
    "中国人民日报在中国。",
    "中美关系 was read in York.",
    "Babbage is read by those who fixed it.",
    "The P300 takes an IM-22 with --dry-run in York.",
    "York's p300 and the im-22, not IM22, use v2.3.1.",
    "Jörg Müller of York met Ada.",
    "Joerg Mueller and Jorg Muller met in New York.",
    "Engine parts: set max_retries for Ada. Engine and engine.",
    "Babbage wrote:\n\tset engine of ada\n\tyork Ada engine\nThat ran the Engine.",
)
LONGER = (
    "Ada King Lovelace wrote to José Luis Álvarez.",
    "José Luis Álvarez read what Charles Babbage wrote.",
    "Charles John Percy Babbage lived in York.",
)
"""Sentences with longer forms of names."""
QUESTIONS = (
    "Who read the New York Times with Ada Lovelace?",
    "Which engine did the husband of the woman who met Ada build in York?",
    "where was jose alvarez born?",
    "Is the New York Times older than The Engine or York?",
    "what happens when nothing is named?",
    "Was May 1999 the month of Ada's engine?",
    "中国人民在中国吗?",
    "Where did Jörg Müller meet Ada?",
    "Which engine of the P300 takes im22 or --dry-run?",
)
WAYS: dict[str, tuple[Mode, Config | None]] = {
    "multihop": ("multihop", None),
    "multihop, narrow": (
        "multihop",
        MultihopConfig(pool=2, beam=2, second_beam=1, most_passages=3),
    ),
    "linearrag": ("linearrag", LinearRAGConfig(threshold=0.1, top_k_sentence=2)),
    "dense": ("dense", None),
    "bm25": ("bm25", None),
    "rrf": ("rrf", None),
}

METADATA = st.fixed_dictionaries(
    {},
    optional={
        "year": st.integers(1990, 1993),
        "lang": st.sampled_from(["en", "de"]),
        "tags": st.lists(st.sampled_from("xyz"), max_size=3),
        "when": st.dates().map(str),
        "links": st.dictionaries(
            st.sampled_from(["a", "b.md", "report", "d.md#top", "#top", "missing/e"]),
            st.integers(0, 150),
            max_size=3,
        ),
        "anchors": st.just(["top"]),
        "path": st.sampled_from(["a/NewYork_may-1999.pdf", "a/ada.pdf", "Engine_P300.pdf"]),
    },
)


@st.composite
def passages(draw: st.DrawFn, ids: Iterable[str]) -> Passage:
    """One passage; some are chunks of a document, and one document is called like a passage."""
    return Passage(
        draw(st.sampled_from(list(ids))),
        " ".join(draw(st.lists(st.sampled_from(SENTENCES + LONGER), min_size=1, max_size=4))),
        draw(st.sampled_from(TITLES)),
        draw(METADATA),
        draw(st.sampled_from(["", "", "", "report", "a"])),
        draw(st.integers(0, 3)),
    )


def corpora(ids: Iterable[str], *, least: int = 1) -> st.SearchStrategy[list[Passage]]:
    """Passages of distinct ids."""
    return st.lists(passages(ids), min_size=least, max_size=8, unique_by=lambda p: p.id)


def build(passages: Iterable[Passage], directory: Path, **named: Any) -> PassageIndex:
    options = {"encoder": ENCODER, "extractor": EXTRACTOR} | named
    return PassageIndex.build(passages, directory, **options)


def answers(index: PassageIndex, k: int = 4, **options: Any) -> dict[str, list[list[Hit]]]:
    """What every way of asking gives for every question."""
    return {
        name: index.retrieve_batch(QUESTIONS, k, mode=mode, config=config, **options)
        for name, (mode, config) in WAYS.items()
    }


def assert_same_answers(
    found: dict[str, list[list[Hit]]], expected: dict[str, list[list[Hit]]]
) -> None:
    assert found.keys() == expected.keys()
    for name, batch in found.items():
        for question, hits, wanted in zip(QUESTIONS, batch, expected[name], strict=True):
            try:
                assert_same_hits(hits, wanted, 1e-9)
            except AssertionError as error:
                raise AssertionError(f"{name}: {question}: {error}") from error
