"""Intervals, halves and paired differences, on toys with known answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

from graphagg.errors import EmptyCorpus, InvalidParameter, InvalidQuestion, UnreadableFile
from graphagg.rag import ChunkConfig, Hit, Passage, PassageIndex
from graphagg.rag.evaluation.drafts import DRAFT_ONE, DRAFT_TWO, draft_questions
from graphagg.rag.evaluation.measure import (
    CONTAIN,
    METRICS,
    RetrievalEvaluation,
    Summary,
    difference,
    evaluate,
    outcome_of,
)
from graphagg.rag.evaluation.questions import GoldQuestion, read_questions
from tests.fakes import FakeEncoder, FakeExtractor

PEOPLE = [
    Passage(f"person{i}", f"Pim{i} was born in Tow{i}. Pim{i} met Pim{i + 1}.", f"Pim{i}")
    for i in range(24)
]
TOWNS = [
    Passage(f"town{i}", f"Tow{i} lies on the river Riv{i % 5}. It is old.", f"Tow{i}")
    for i in range(24)
]
QUESTIONS = [
    GoldQuestion(
        f"q{i}",
        f"On which river does the birthplace of Pim{i} lie?",
        frozenset({f"person{i}", f"town{i}"}),
        "even" if i % 2 == 0 else "odd",
    )
    for i in range(24)
]


def built(directory: Path, passages: list[Passage]) -> PassageIndex:
    return PassageIndex.build(passages, directory, encoder=FakeEncoder(), extractor=FakeExtractor())


@pytest.fixture(scope="module")
def towns(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    return built(tmp_path_factory.mktemp("towns") / "idx", PEOPLE + TOWNS)


@pytest.fixture(scope="module")
def runs(towns: PassageIndex) -> dict[str, RetrievalEvaluation]:
    return {
        "multihop": evaluate(towns, QUESTIONS),
        "dense": evaluate(towns, QUESTIONS, mode="dense"),
        "bm25": evaluate(towns, QUESTIONS, mode="bm25"),
    }


# --- intervals -----------------------------------------------------------------------------------


def test_intervals_follow_from_the_seed_and_constants_have_no_width() -> None:
    values = np.random.default_rng(1).random((50, len(METRICS)))
    assert Summary.from_outcomes(values, 3) == Summary.from_outcomes(values, 3)
    assert Summary.from_outcomes(values, 3).intervals != Summary.from_outcomes(values, 4).intervals
    summary = Summary.from_outcomes(values)
    for metric, (low, high) in summary.intervals.items():
        assert low < summary.percent[metric] < high
    assert set(Summary.from_outcomes(np.ones((7, len(METRICS)))).intervals.values()) == {
        (100.0, 100.0)
    }


def test_outcomes_by_hand(towns: PassageIndex) -> None:
    questions = [
        GoldQuestion("1", "?", frozenset("ab")),
        GoldQuestion("2", "?", frozenset("a")),
        GoldQuestion("3", "?", frozenset("xyz")),
    ]
    hits = [
        [Hit(Passage(name, "Text."), 1.0, {}, (), "bm25") for name in names]
        for names in ("acdb", "bcdefa", "xy")
    ]
    outcomes = [
        list(outcome_of(towns.snapshot, *each).values())
        for each in zip(questions, hits, strict=True)
    ]
    assert METRICS == ("recall@2", "recall@5", "recall@10", "all_gold@2", "all_gold@5")
    assert outcomes == [
        [0.5, 1, 1, 0, 1],
        [0, 0, 1, 0, 0],
        pytest.approx([2 / 3, 2 / 3, 2 / 3, 0, 0]),
    ]


def test_evaluation(runs: dict[str, RetrievalEvaluation]) -> None:
    best = runs["multihop"]
    assert best.questions == 24 and best.gold_missing == 0
    assert best.quality["recall@5"] > runs["dense"].quality["recall@5"]
    assert best.by_type.keys() == {"even", "odd"}
    for metric in METRICS:
        mean = sum(part.questions * part.percent[metric] for part in best.by_type.values()) / 24
        assert mean == pytest.approx(best.quality[metric], abs=0.01)
    report = json.loads(json.dumps(best.to_json()))
    assert {"questions", *METRICS, "intervals", "by_type", "latency_ms"} <= report.keys()
    for part in (report, *report["by_type"].values()):
        assert part["intervals"].keys() == set(METRICS)
        low, high = part["intervals"]["recall@5"]
        assert low <= part["recall@5"] <= high


def test_missing_gold_counts_as_not_found(towns: PassageIndex) -> None:
    lost = [GoldQuestion("1", "Where is Tow3?", frozenset({"town3", "nowhere"}))]
    report = evaluate(towns, lost)
    assert report.gold_missing == 1 and report.quality["recall@10"] == 50.0
    assert report.by_type == {}


# --- own data ------------------------------------------------------------------------------------

RIVERS = [Passage(f"river{i}", f"The Riv{i} is long. " * 12, f"Riv{i}") for i in range(3)]
FIELDS = [
    {
        "question": "How long is Riv0?",
        "gold_document_ids": ["river0"],
        "answers": ["riv0 is LONG!"],
    },
    {"question": "How long is Riv1?", "gold_document_ids": "river1", "answers": "iv1 is long"},
    {"question": "How long is Riv2?", "gold_document_ids": "river2", "answers": ["x", "is long"]},
]


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    chunking = ChunkConfig(max_words=20, min_words=5)
    folder = tmp_path_factory.mktemp("rivers")
    return PassageIndex.build(RIVERS, folder / "idx", chunking=chunking, **models)


def test_chunks_count_for_their_document_and_whole_words_for_answers(chunked: PassageIndex) -> None:
    assert "river0" not in chunked and "river0#0" in chunked
    report = evaluate(chunked, read_questions(FIELDS))
    assert tuple(report.quality) == (*METRICS, *CONTAIN)
    assert report.quality["recall@10"] == report.quality["all_gold@5"] == 100.0
    assert report.quality["contain@10"] == 66.67  # iv1 is part of a word alone
    assert report.gold_missing == 0
    questions = read_questions([{"question": "Riv0?", "answers": ["riv0"]}])
    assert tuple(evaluate(chunked, questions).quality) == CONTAIN


@pytest.mark.parametrize("kind", ["jsonl", "json", "csv", "parquet", "pandas", "polars"])
def test_questions_come_from_files_and_frames(kind: str, tmp_path: Path) -> None:
    wanted = read_questions(
        [
            {"id": i, "question": f"Who is {i}?", "gold_passage_ids": [f"p{i}", "q"]}
            for i in range(3)
        ]
    )
    rows = [{"id": q.id, "question": q.text, "gold_passage_ids": sorted(q.gold)} for q in wanted]
    path = tmp_path / f"q.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "json":
        path.write_text(json.dumps(rows))
    elif kind == "csv":
        written = [row | {"gold_passage_ids": json.dumps(row["gold_passage_ids"])} for row in rows]
        pd.DataFrame(written).to_csv(path, index=False)
    elif kind == "parquet":
        pd.DataFrame(rows).to_parquet(path)
    source = {"pandas": pd.DataFrame, "polars": pl.DataFrame}.get(kind, lambda rows: path)(rows)
    assert read_questions(source) == wanted


def test_questions_need_gold_or_answers_alike(chunked: PassageIndex) -> None:
    with pytest.raises(
        InvalidQuestion, match=r"question 0: .*\['question'\] lack gold_passage_ids"
    ):
        read_questions([{"question": "Who?"}])
    mixed = read_questions([FIELDS[0] | {"answers": None}, {"question": "?", "answers": "a"}])
    with pytest.raises(InvalidQuestion, match="1 have no gold ids and 1 no answers"):
        evaluate(chunked, mixed)
    lost = [GoldQuestion("1", "Who?", frozenset({"nowhere"}))]
    with pytest.raises(InvalidQuestion, match=r"'nowhere'.*'river0#0' of document 'river0'"):
        evaluate(chunked, lost)


# --- comparison ----------------------------------------------------------------------------------


def test_differences_are_paired(towns: PassageIndex, runs: dict[str, RetrievalEvaluation]) -> None:
    best, dense = runs["multihop"], runs["dense"]
    for run in runs.values():
        same = difference(run, run)
        assert set(same.percent.values()) == {0.0}
        assert set(same.intervals.values()) == {(0.0, 0.0)}
    gain = difference(best, dense)
    for metric in METRICS:
        apart = best.quality[metric] - dense.quality[metric]
        assert gain.percent[metric] == pytest.approx(apart, abs=0.011)
    back = difference(dense, best)
    for metric, (low, high) in gain.intervals.items():
        assert back.intervals[metric] == pytest.approx((-high, -low), abs=0.011)
    noise = np.random.default_rng(0).random((24, len(METRICS))) / 2
    assert {
        hi - lo for lo, hi in Summary.from_outcomes((noise + 0.25) - noise).intervals.values()
    } == {0.0}
    fewer = evaluate(towns, QUESTIONS[:5], mode="bm25")
    with pytest.raises(InvalidParameter, match="over 24 and 5 questions cannot be paired"):
        difference(runs["bm25"], fewer)


# --- the file of questions -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("", UnreadableFile, "contains no questions"),
        ('{"gold_passage_ids": ["a"]}', InvalidQuestion, "q.jsonl:1: the question is a NoneType"),
        ('{"question": "?", "gold_passage_ids": []}', InvalidQuestion, "lack gold_passage_ids"),
        (
            '{"question": "?", "gold_passage_ids": [1.5]}',
            InvalidQuestion,
            "a string or list of strings",
        ),
    ],
)
def test_bad_questions(tmp_path: Path, line: str, error: type[Exception], message: str) -> None:
    (tmp_path / "q.jsonl").write_text(line)
    with pytest.raises(error, match=message):
        read_questions(tmp_path / "q.jsonl")


# --- drafts --------------------------------------------------------------------------------------


def test_drafts_follow_from_passages_and_seed(tmp_path: Path, call) -> None:
    """Each name is in one gold passage alone; two of them share a name of theirs."""
    staff = [Passage(f"a{i}", f"Ann{i} works at Firm{i}.") for i in range(20)]
    staff += [Passage(f"b{i}", f"Bob{i} has left Firm{i}.") for i in range(20)]
    index = built(tmp_path / "staff", staff)
    drafts = draft_questions(index, 30, random_state=4)
    texts = {passage.id: passage.full_text for passage in index}
    for draft in drafts:
        names = re.fullmatch(r"(?:What is said about|How is) (.+?)(?: connected with (.+))?\?",
                             draft.text)  # fmt: skip
        assert names is not None and len(draft.gold) == len(list(filter(None, names.groups())))
        holders = {
            key for key, text in texts.items() for name in names.groups()
            if name and re.search(rf"\b{name}\b", text)
        }  # fmt: skip
        assert holders == draft.gold
        words = [set(re.findall(r"[A-Z]\w+", texts[key])) for key in draft.gold]
        assert set.intersection(*words)
    assert {draft.type for draft in drafts} == {DRAFT_ONE, DRAFT_TWO}
    with built(tmp_path / "other", staff[::-1]) as other:
        assert draft_questions(other, 30, random_state=4) == drafts
    assert draft_questions(index, 30, random_state=5) != drafts
    shown = call("rag", "questions", tmp_path / "staff", "--count", 30, "--random-state", 4)
    (tmp_path / "drafts.jsonl").write_text(shown.out)
    assert read_questions(tmp_path / "drafts.jsonl") == drafts and "check each" in shown.err
    assert evaluate(index, drafts).gold_missing == 0


def test_a_corpus_without_own_names_has_no_drafts(tmp_path: Path) -> None:
    with (
        built(tmp_path / "i", [Passage("a", "it rained."), Passage("b", "it snowed.")]) as index,
        pytest.raises(EmptyCorpus, match="name occurs in one passage only"),
    ):
        draft_questions(index)
