"""`graphagg rag`: what its commands give, as tables and as JSON."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import graphagg.rag
from graphagg.cli.main import main
from graphagg.rag import PassageIndex
from tests.unit.commands import Answer, run

DEMO = Path(graphagg.rag.__file__).parent / "demo"
QUESTION = "On which river does the birthplace of Marie Curie lie?"
DOCUMENTS = [
    {
        "id": "harbour",
        "title": "Harbour",
        "text": "The old harbour was built of oak. Gulls nest on its wall. "
        "The harbour froze in the winter of 1963. A lamp burns there at night.",
        "year": 1963,
    },
    {
        "id": "mill",
        "title": "Mill",
        "text": "The mill ground rye for the harbour. Its wheel turns no more. "
        "Swallows nest in the loft. A school visits each spring.",
        "year": 2001,
    },
]
Call = Callable[..., Answer]


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two documents of two chunks each."""
    folder = tmp_path_factory.mktemp("chunked")
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, DOCUMENTS)))
    options = ("--chunk-words", 14)
    arguments = ("rag", "index", folder / "d.jsonl", "--out", folder / "idx", *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["graphagg", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
    assert not end.value.code
    with PassageIndex.open(folder / "idx") as index:
        assert len(index) == 4
    return folder / "idx"


# --- asking --------------------------------------------------------------------------------------


def test_search_is_the_same_in_another_process(call: Call, demo_index: Path) -> None:
    asked = ("rag", "search", demo_index, QUESTION, "--json")
    here, there = call(*asked), run(*asked, PYTHONHASHSEED="12345")
    assert there.returncode == 0, there.stderr
    assert here.out == there.stdout
    answer = here.json
    assert answer["mode"] == "multihop" and answer["question"] == QUESTION
    hits = answer["hits"]
    assert {"id", "title", "text", "score", "components", "path", "metadata"} <= hits[0].keys()
    assert {"curie-marie", "warsaw"} <= {hit["id"] for hit in hits}
    with PassageIndex.open(demo_index) as index:
        assert [hit.to_json() for hit in index.retrieve(QUESTION)] == hits


@pytest.mark.parametrize("mode", ["multihop", "linearrag", "dense", "bm25"])
def test_search_explains_in_every_mode(call: Call, demo_index: Path, mode: str) -> None:
    hits = call("rag", "search", demo_index, QUESTION, "--mode", mode, "--json").json["hits"]
    assert len(hits) == 5
    shown = call("rag", "search", demo_index, QUESTION, "--mode", mode, "--explain").out
    for hit in hits:
        assert sum(hit["components"].values()) == pytest.approx(hit["score"], abs=1e-6)
        assert hit["title"] in shown and hit["id"] in shown
    assert f"{next(iter(hits[0]['components']))}=" in shown
    assert ("-> Warsaw" in shown) == (mode in ("multihop", "linearrag"))


def test_a_question_may_follow_up_on_earlier_ones(call: Call, demo_index: Path) -> None:
    asked = ("rag", "search", demo_index, "Where was she born?")
    assert call(*asked, "--history", "Who was Marie Curie?").out != call(*asked).out


def test_explain_a_hit_and_one_that_is_none(call: Call, demo_index: Path) -> None:
    found = call("rag", "explain", demo_index, QUESTION, "warsaw", "--json").json
    assert found["rank"] and found["passage_id"] == found["hit"]["id"] == "warsaw"
    adds = sum(hop["contribution"] for hop in found["hit"]["path"])
    assert adds == pytest.approx(found["hit"]["score"], abs=1e-6)
    shown = call("rag", "explain", demo_index, QUESTION, "warsaw").out
    assert "leads to it" in shown and "part of the score" in shown
    assert f"{found['hit']['score']:.4f}" in shown and "born in Warsaw" in shown
    missed = call("rag", "explain", demo_index, QUESTION, "tiber", "-k", 2, "--json").json
    assert missed["rank"] is None and missed["hit"]["score"] < missed["threshold"]
    assert missed["reason"] in call(
        "rag", "explain", demo_index, QUESTION, "tiber", "-k", 2
    ).out.replace("\n", " ")
    hidden = call("rag", "explain", demo_index, QUESTION, "tiber", "--exclude", "tiber")
    assert "left out by the filter" in hidden.out
    unknown = call("rag", "explain", demo_index, QUESTION, "nowhere")
    assert "passage 'nowhere' is not in the index" in unknown.error


def test_filters_windows_and_documents(call: Call, chunked: Path) -> None:
    def ids(*options: object) -> list[str]:
        asked = ("rag", "search", chunked, "the old harbour of oak", "--mode", "bm25", "--json")
        return [hit["id"] for hit in call(*asked, *options).json["hits"]]

    assert ids() == ids("--filter", "year>1900")
    assert set(ids()) == {"harbour#0", "harbour#1", "mill#0", "mill#1"}
    assert set(ids("--filter", "year<2000")) == {"harbour#0", "harbour#1"}
    assert ids("--filter", "year<2000", "--filter", "year>1990") == []
    assert set(ids("--filter", '{"not": {"year": 1963}}')) == {"mill#0", "mill#1"}
    assert set(ids("--include", "harbour#0", "--include", "mill")) == {
        "harbour#0", "mill#0", "mill#1",
    }  # fmt: skip
    assert set(ids("--exclude", "mill", "--exclude", "harbour#1")) == {"harbour#0"}

    question = ("rag", "search", chunked, "the old harbour of oak", "--mode", "bm25")
    (hit,) = call(*question, "-k", 1, "--neighbors", 1, "--json").json["hits"]
    assert (hit["document"], hit["position"]) == ("harbour", 0)
    assert [n["id"] for n in hit["neighbors"]] == ["harbour#1"]
    assert "froze in the winter" in call(*question, "-k", 1, "--neighbors", 1).out
    assert "no passage is visible" in call(*question, "--filter", "year>3000").out
    assert (
        "unknown key 'yaer'; did you mean 'year'?" in call(*question, "--filter", "yaer=1963").error
    )


# --- changing ------------------------------------------------------------------------------------


def test_changes(call: Call, demo_index: Path, tmp_path: Path) -> None:
    index, more = tmp_path / "idx", tmp_path / "more.jsonl"
    shutil.copytree(demo_index, index)
    sava = {"id": "sava", "title": "Sava", "text": "The Sava is a river of Zagreb.", "year": 1}
    more.write_text("\n".join(map(json.dumps, [sava, {"id": "warsaw", "text": "A city."}])))
    before = (index / "manifest.json").read_bytes()
    assert "'warsaw' is already in the index (1 of 2 are)" in call("rag", "add", index, more).error
    assert "1 of 2 ids are not in the index ('sava')" in call("rag", "update", index, more).error
    assert (index / "manifest.json").read_bytes() == before

    added = call("rag", "add", index, more, "--replace", "--json").json
    assert (added["added"], added["replaced"], added["passages"]) == (1, 1, 43)
    assert {"index", "segments", "wall_seconds", "cpu_seconds"} <= added.keys()
    updated = call("rag", "update", index, more)
    assert (
        "2 replaced, " in updated.out
        and "now 43 passages, " in updated.out
        and "CPU s" in updated.out
    )

    (tmp_path / "ids.txt").write_text("warsaw\n\nnowhere\n")
    gone = ("rag", "delete", index, "sava", "--ids-file", tmp_path / "ids.txt")
    assert "1 of 3 ids are not in the index ('nowhere'); nothing was deleted" in call(*gone).error
    assert call("info", index, "--json").json["counts"]["passages"] == 43
    deleted = call(*gone, "--ignore-missing", "--json").json
    assert (deleted["passages_removed"], deleted["passages"]) == (2, 41)
    joined = call("rag", "compact", index, "--json").json
    assert joined["segments"] == 1 < joined["segments_merged"]
    assert "intact" in call("verify", index).out


def test_chunks_can_be_added_and_deleted_by_document(
    call: Call, chunked: Path, tmp_path: Path
) -> None:
    index = tmp_path / "idx"
    shutil.copytree(chunked, index)
    assert call("rag", "delete", index, "mill", "--json").json["passages_removed"] == 2
    (tmp_path / "mill.jsonl").write_text(json.dumps(DOCUMENTS[1]))
    added = ("rag", "add", index, tmp_path / "mill.jsonl", "--json")
    again = call(*added).json
    assert (again["added"], again["passages"]) == (1, 4)  # split as the index was built
    assert "passage 'mill' is already in the index (1 of 1 are)" in call(*added).error
    short = DOCUMENTS[1] | {"text": "The mill is gone."}
    (tmp_path / "mill.jsonl").write_text(json.dumps(short))
    assert call("rag", "update", index, tmp_path / "mill.jsonl", "--json").json["passages"] == 3
    with PassageIndex.open(index) as opened:
        assert sorted(p.id for p in opened) == ["harbour#0", "harbour#1", "mill"]
    (tmp_path / "mill.jsonl").write_text(json.dumps(DOCUMENTS[1]))
    replaced = call(*added, "--replace").json
    assert (replaced["added"], replaced["replaced"], replaced["passages"]) == (0, 1, 4)


def test_documents_are_split_unless_they_are_to_stay_whole(call: Call, tmp_path: Path) -> None:
    words = " ".join(f"Number {n} of the list is here." for n in range(50))
    (tmp_path / "d.jsonl").write_text(
        json.dumps({"id": "long", "text": words}) + '\n{"id": "short", "text": "One. Two."}\n'
    )
    index = ("rag", "index", tmp_path / "d.jsonl", "--out", tmp_path / "idx")
    models = ("--extractor", "rule:en")
    assert call(*index, *models, "--json").json["passages"] == 4
    with PassageIndex.open(tmp_path / "idx") as opened:
        assert [p.id for p in opened] == ["long#0", "long#1", "long#2", "short"]
        assert all(len(p.text.split()) <= 150 for p in opened)
    found = call("rag", "search", tmp_path / "idx", "number 41", "--mode", "bm25", "-k", 1)
    assert "Number 41 of the list is here." in found.out
    piece = ("rag", "search", tmp_path / "idx", "number 41", "--mode", "bm25", "--json")
    (hit, *_) = call(*piece, "--characters", 60).json["hits"]
    assert len(hit["text"]) <= 60 and "Number 41" in hit["text"] and hit["cut"]["start"] > 0
    best = call(*piece).json["hits"]
    least = ("--min-score", best[0]["score"])
    assert [h["id"] for h in call(*piece, *least).json["hits"]] == [best[0]["id"]]
    assert call(*index, *models, "--no-chunks", "--json").json["passages"] == 2
    refused = call(*index, "--no-chunks", "--chunk-words", 9)
    assert "give either --chunk-words or --no-chunks" in refused.error


# --- evaluation ----------------------------------------------------------------------------------


def test_eval(call: Call, demo_index: Path) -> None:
    report = call("rag", "eval", demo_index, DEMO / "questions.jsonl", "--json").json
    assert (
        report["questions"] == 10 and report["gold_missing"] == 0 and report["mode"] == "multihop"
    )
    assert 0 < report["recall@2"] <= report["recall@5"] <= report["recall@10"] <= 100
    assert report["all_gold@5"] <= report["recall@5"]
    low, high = report["intervals"]["recall@5"]
    assert low <= report["recall@5"] <= high
    kinds = report["by_type"]
    assert kinds["comparison"]["questions"] + kinds["compositional"]["questions"] == 10
    total = sum(kind["questions"] * kind["recall@5"] for kind in kinds.values())
    assert total / 10 == pytest.approx(report["recall@5"], abs=0.02)
    for stage in ("encode", "entities", "retrieve", "total"):
        assert 0 < report["latency_ms"][stage]["p50"] <= report["latency_ms"][stage]["p99"]


@pytest.mark.parametrize("least", [0.0, 1.0])
def test_an_evaluation_is_a_gate(
    call: Call, demo_index: Path, tmp_path: Path, least: float
) -> None:
    """The exit code is 1 below the least value; both reports say the same."""
    rows = (DEMO / "questions.jsonl").read_text("utf-8").splitlines()
    lost = {"question": "Who?", "gold_passage_ids": ["absent"]}
    (tmp_path / "q.jsonl").write_text("\n".join([*rows, json.dumps(lost)]), "utf-8")
    for name, says in (("r.xml", b"<failure"), ("r.md", b"| no |")):
        words = ("--fail-below", f"recall@5={least}", "--report", tmp_path / name, "--json")
        answer = call("rag", "eval", demo_index, tmp_path / "q.jsonl", *words)
        assert answer.code == int(least) and json.loads(answer.out)["questions"] == 11
        assert (says in (tmp_path / name).read_bytes()) == bool(least)
    refused = call("rag", "eval", demo_index, tmp_path / "q.jsonl", "--fail-below", "recall@3=2")
    assert "--fail-below is 'recall@3=2', expected METRIC=VALUE" in refused.error


def test_eval_compares_modes(call: Call, demo_index: Path) -> None:
    modes = "linearrag,dense,bm25"
    asked = ("rag", "eval", demo_index, DEMO / "questions.jsonl")
    reports = call(*asked, "--compare", modes, "--json").json
    assert list(reports) == modes.split(",") and "difference" not in reports["linearrag"]
    gain = reports["dense"]["difference"]
    assert gain["to"] == "linearrag"
    apart = reports["dense"]["recall@5"] - reports["linearrag"]["recall@5"]
    assert gain["recall@5"] == pytest.approx(apart, abs=0.011)
    low, high = gain["intervals"]["recall@5"]
    assert low <= gain["recall@5"] <= high
    table = call(*asked, "--compare", "dense,bm25").out
    assert "recall@5" in table and "questions: 10," in table
    assert "bm25 - dense" in table and "dense: comparison" in table
