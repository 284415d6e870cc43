"""The command line as a person and as a script meet it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from graphagg.cli.main import app, main

GRAPHAGG = [sys.executable, "-c", "from graphagg.cli.main import main; main()"]
ROOT = Path(__file__).parents[2]
DEMO = ROOT / "graphagg" / "rag" / "demo"
RECIPE = ROOT / "indices" / "demo-passages" / "recipe.toml"
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


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GRAPHAGG, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=120,
    )


@dataclass(frozen=True)
class Answer:
    """What a command gave: its exit code and what it printed, one line each."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> str:
        assert self.code == 2 and self.out == "" and "Traceback" not in self.err
        return " ".join(self.err.split())


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command in this process, as `main` runs it."""

    def call(*arguments: object) -> Answer:
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setattr(sys, "argv", ["graphagg", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Answer(end.value.code or 0, *capsys.readouterr())  # type: ignore[arg-type]

    return call


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bad.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "b"\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "good.jsonl").write_text('{"id": "a", "text": "x"}\n')
    (tmp_path / "q.jsonl").write_text('{"question": "?", "gold_passage_ids": ["a"]}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two documents of two chunks each."""
    folder = tmp_path_factory.mktemp("chunked")
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, DOCUMENTS)))
    options = ("--chunk-words", 14, "--overlap-sentences", 0)
    built = run("rag", "index", folder / "d.jsonl", "--out", folder / "idx", *options, "--json")
    assert json.loads(built.stdout)["passages"] == 4, built.stderr
    return folder / "idx"


# --- asking --------------------------------------------------------------------------------------


def test_search_is_the_same_in_another_process(demo_index: Path) -> None:
    answers = [
        run("rag", "search", demo_index, QUESTION, "--json", PYTHONHASHSEED=seed)
        for seed in ("0", "12345")
    ]
    assert answers[0].returncode == 0, answers[0].stderr
    assert answers[0].stdout == answers[1].stdout
    answer = json.loads(answers[0].stdout)
    assert answer["mode"] == "best" and answer["question"] == QUESTION
    hits = answer["hits"]
    assert {"id", "title", "text", "score", "components", "path", "metadata"} <= hits[0].keys()
    assert {"curie-marie", "warsaw"} <= {hit["id"] for hit in hits}
    from graphagg.rag import PassageIndex

    with PassageIndex.open(demo_index) as index:
        assert [hit.to_json() for hit in index.retrieve(QUESTION)] == hits


@pytest.mark.parametrize("mode", ["best", "faithful", "dense", "bm25"])
def test_search_explains_in_every_mode(call: Any, demo_index: Path, mode: str) -> None:
    hits = call("rag", "search", demo_index, QUESTION, "--mode", mode, "--json").json["hits"]
    assert len(hits) == 5
    shown = call("rag", "search", demo_index, QUESTION, "--mode", mode, "--explain").out
    for hit in hits:
        assert sum(hit["components"].values()) == pytest.approx(hit["score"], abs=1e-6)
        assert hit["title"] in shown and hit["id"] in shown
    assert f"{next(iter(hits[0]['components']))}=" in shown
    assert ("-> Warsaw" in shown) == (mode in ("best", "faithful"))


def test_explain_a_hit_and_one_that_is_none(call: Any, demo_index: Path) -> None:
    found = call("rag", "explain", demo_index, QUESTION, "warsaw", "--json").json
    assert found["rank"] and found["passage_id"] == found["hit"]["id"] == "warsaw"
    adds = sum(hop["contribution"] for hop in found["hit"]["path"])
    assert adds == pytest.approx(found["hit"]["score"], abs=1e-6)
    shown = call("rag", "explain", demo_index, QUESTION, "warsaw").out
    assert "leads to it" in shown and "part of the score" in shown
    assert f"{found['hit']['score']:.4f}" in shown and "born in Warsaw" in shown
    missed = call("rag", "explain", demo_index, QUESTION, "tiber", "--top-k", 2, "--json").json
    assert missed["rank"] is None and missed["hit"]["score"] < missed["threshold"]
    assert missed["reason"] in call(
        "rag", "explain", demo_index, QUESTION, "tiber", "--top-k", 2
    ).out.replace("\n", " ")
    hidden = call("rag", "explain", demo_index, QUESTION, "tiber", "--exclude", "tiber")
    assert "left out by the filter" in hidden.out
    unknown = call("rag", "explain", demo_index, QUESTION, "nowhere")
    assert "passage 'nowhere' is not in the index" in unknown.error


def test_filters_windows_and_documents(call: Any, chunked: Path) -> None:
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
    assert ids("--filter", "year<2000", "--bridge-through-filtered") == ids("--filter", "year<2000")

    question = ("rag", "search", chunked, "the old harbour of oak", "--mode", "bm25")
    (hit,) = call(*question, "--top-k", 1, "--window", 1, "--json").json["hits"]
    assert (hit["document"], hit["position"]) == ("harbour", 0)
    assert [n["id"] for n in hit["neighbours"]] == ["harbour#1"]
    assert "froze in the winter" in call(*question, "--top-k", 1, "--window", 1).out
    grouped = call(*question, "--documents", "--json").json["documents"]
    assert [document["document"] for document in grouped] == ["harbour", "mill"]
    assert all(d["score"] == d["hits"][0]["score"] for d in grouped)
    assert "harbour#1" in call(*question, "--documents", "--explain").out
    assert "no passage is visible" in call(*question, "--filter", "year>3000").out
    assert (
        "unknown key 'yaer'; did you mean 'year'?" in call(*question, "--filter", "yaer=1963").error
    )


# --- changing ------------------------------------------------------------------------------------


def test_changes(call: Any, demo_index: Path, tmp_path: Path) -> None:
    index, more = tmp_path / "idx", tmp_path / "more.jsonl"
    shutil.copytree(demo_index, index)
    sava = {"id": "sava", "title": "Sava", "text": "The Sava is a river of Zagreb.", "year": 1}
    more.write_text("\n".join(map(json.dumps, [sava, {"id": "warsaw", "text": "A city."}])))
    before = (index / "manifest.json").read_bytes()
    assert "'warsaw' is in the index (1 of 2 are)" in call("rag", "add", index, more).error
    assert "1 of 2 ids are not in the index ('sava')" in call("rag", "update", index, more).error
    assert (index / "manifest.json").read_bytes() == before

    added = call("rag", "add", index, more, "--replace", "--json").json
    assert (added["added"], added["replaced"], added["passages"]) == (1, 1, 43)
    assert {"index", "segments", "wall_seconds", "cpu_seconds"} <= added.keys()
    updated = call("rag", "update", index, more)
    assert "2 replaced; 43 passages in" in updated.out and "CPU s" in updated.out

    (tmp_path / "ids.txt").write_text("warsaw\n\nnowhere\n")
    gone = ("rag", "delete", index, "sava", "--ids-file", tmp_path / "ids.txt")
    assert "1 of 3 ids are not in the index ('nowhere'); nothing was deleted" in call(*gone).error
    assert call("info", index, "--json").json["counts"]["passages"] == 43
    deleted = call(*gone, "--ignore-missing", "--json").json
    assert (deleted["deleted"], deleted["passages"]) == (2, 41)
    joined = call("rag", "compact", index, "--json").json
    assert joined["segments"] == 1 < joined["segments_joined"]
    assert "intact" in call("verify", index).out


def test_chunks_can_be_added_and_deleted_by_document(
    call: Any, chunked: Path, tmp_path: Path
) -> None:
    index = tmp_path / "idx"
    shutil.copytree(chunked, index)
    assert call("rag", "delete", index, "mill", "--json").json["deleted"] == 2
    (tmp_path / "mill.jsonl").write_text(json.dumps(DOCUMENTS[1]))
    options = ("--chunk-words", 14, "--overlap-sentences", 0)
    again = call("rag", "add", index, tmp_path / "mill.jsonl", *options, "--json").json
    assert (again["added"], again["passages"]) == (2, 4)


# --- evaluation ----------------------------------------------------------------------------------


def test_eval(call: Any, demo_index: Path, tmp_path: Path) -> None:
    questions, failures = DEMO / "questions.jsonl", tmp_path / "f.jsonl"
    report = call("rag", "eval", demo_index, questions, "--failures", failures, "--json").json
    assert report["questions"] == 10 and report["gold_missing"] == 0 and report["mode"] == "best"
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
    failed = 10 - round(report["all_gold@5"] / 10)
    assert len(failures.read_text().splitlines()) == failed
    assert report["failures"]["file"] == str(failures)
    assert sum(k["questions"] for k in report["failures"]["by_kind"].values()) == failed


def test_eval_of_halves(call: Any, demo_index: Path) -> None:
    asked = ("rag", "eval", demo_index, DEMO / "questions.jsonl", "--mode", "bm25")
    halves = [call(*asked, "--half", name, "--json").json for name in ("tune", "test")]
    assert [h["half"] for h in halves] == ["tune", "test"]
    assert [h["questions"] for h in halves] == [5, 5] and halves[0]["random_state"] == 0
    whole = call(*asked, "--json").json
    assert whole["half"] is None
    assert sum(h["recall@5"] for h in halves) / 2 == pytest.approx(whole["recall@5"], abs=0.02)


def test_eval_compares_modes(call: Any, demo_index: Path) -> None:
    modes = "faithful,faithful:paper,dense,bm25"
    asked = ("rag", "eval", demo_index, DEMO / "questions.jsonl")
    reports = call(*asked, "--compare", modes, "--json").json
    assert list(reports) == modes.split(",") and "difference" not in reports["faithful"]
    gain = reports["dense"]["difference"]
    assert gain["to"] == "faithful"
    apart = reports["dense"]["recall@5"] - reports["faithful"]["recall@5"]
    assert gain["recall@5"] == pytest.approx(apart, abs=0.011)
    low, high = gain["intervals"]["recall@5"]
    assert low <= gain["recall@5"] <= high
    table = call(*asked, "--compare", "dense,bm25").out
    assert "recall@5" in table and "10 questions" in table
    assert "bm25 - dense" in table and "comparison (1)" in table


def test_eval_ablates(call: Any, demo_index: Path, tmp_path: Path) -> None:
    from graphagg.rag import PARTS

    asked = ("rag", "eval", demo_index, DEMO / "questions.jsonl", "--ablate")
    report = call(*asked, "--json").json
    assert report["whole"]["questions"] == 10 and list(report["without"]) == list(PARTS)
    links = report["without"]["links"]
    assert links["difference"]["recall@2"] == pytest.approx(
        links["recall@2"] - report["whole"]["recall@2"], abs=0.011
    )
    shown = call(*asked, "--failures", tmp_path / "f.jsonl").out
    assert "third-hop" in shown and "questions fail" in shown


# --- every command -------------------------------------------------------------------------------


def test_every_command_of_rag_explains_itself() -> None:
    group = typer.main.get_command(app).commands["rag"]  # type: ignore[attr-defined]
    assert {"index", "add", "update", "delete", "compact", "search", "explain", "eval"} <= set(
        group.commands
    )
    for name, command in group.commands.items():
        assert command.epilog.startswith(f"Example: graphagg rag {name} ")
        assert command.help and all(parameter.help for parameter in command.params)


def test_demo(call: Any, tmp_path: Path) -> None:
    shown = call("demo", "--out", tmp_path / "demo").out
    assert "* needed for the answer" in shown and "-> Warsaw" in shown and "carried=" in shown
    assert (tmp_path / "demo" / "community.png").read_bytes().startswith(b"\x89PNG")


def test_info_and_verify(demo_index: Path) -> None:
    manifest = json.loads(run("info", demo_index, "--json").stdout)
    assert manifest == json.loads((demo_index / "manifest.json").read_text())
    assert "42" in run("info", demo_index).stdout
    assert "intact" in run("verify", demo_index).stdout


def test_recipe_builds_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    text = "Marie Curie was born in Warsaw. " * 6
    (tmp_path / "texts" / "a.txt").write_text(text)
    chunking = "[chunking]\nmax_words = 18\noverlap_sentences = 0\nmin_words = 2\n"
    (tmp_path / "recipe.toml").write_text(f'kind = "passages"\ninput = "texts"\n{chunking}')
    result = run("build", tmp_path / "recipe.toml", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["passages"] == 2
    assert "intact" in run("verify", tmp_path / "build").stdout
    again = run("build", tmp_path / "recipe.toml")
    assert again.returncode == 0 and "unchanged" in again.stdout


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("kind = ", "not readable TOML"),
        ('kind = "passages"', "key 'input': Field required"),
        ('kind = "passage"\ninput = "x"', "key 'kind'"),
        ('kind = "passages"\ninput = "x"\nout = "y"', "key 'out'"),
        ('kind = "passages"\ninput = "x"\n[models]\ndtype = "int8"', "key 'models.dtype'"),
        ('kind = "passages"\ninput = 5', "key 'input'"),
        ('kind = "passages"\ninput = "x"\n[chunking]\nmax_words = 0', "key 'chunking.max_words'"),
        ('kind = "passages"\ninput = "x"\n[chunking]\nwords = 9', "key 'chunking.words'"),
        ('kind = "passages"\ninput = "."\n[chunking]\nmax_words = 9', "min_words is 20"),
        ('kind = "passages"\ninput = "none.jsonl"', "no such file"),
    ],
)
def test_bad_recipes(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "r.toml").write_text(content)
    result = run("build", tmp_path / "r.toml")
    assert result.returncode == 2 and message in result.stderr
    assert not (tmp_path / "build").exists()


def test_the_bundled_recipe_fits_its_model() -> None:
    from graphagg.cli.build import read_recipe

    assert (RECIPE.parent / read_recipe(RECIPE).input).exists()


ASK = ("rag", "search", ".", "why?")
EVAL = ("rag", "eval", ".", "q.jsonl")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rag", "index", "bad.jsonl", "--out", "o"), "bad.jsonl:2: not JSON"),
        (("rag", "index", "empty.jsonl", "--out", "o"), "no passages"),
        (("rag", "index", "absent", "--out", "o"), "no such file"),
        (("rag", "index", "good.jsonl", "--out", "o", "--dtype", "x"), "dtype is 'x'"),
        (("rag", "index", "good.jsonl", "--out", "o", "--chunk-words", "0"), "max_words is 0"),
        (("rag", "index", "good.jsonl", "--out", "o", "--overlap-sentences", "1"), "--chunk-words"),
        (("rag", "add", "absent", "good.jsonl"), "no such folder"),
        (("rag", "add", ".", "bad.jsonl"), "bad.jsonl:2: not JSON"),
        (("rag", "add", ".", "good.jsonl", "--replace", "--chunk-words", "9"), "delete the doc"),
        (("rag", "update", ".", "empty.jsonl"), "no passages"),
        (("rag", "update", ".", "good.jsonl"), "without manifest.json"),
        (("rag", "delete", "."), "no id is given"),
        (("rag", "delete", ".", "--ids-file", "absent"), "absent: No such file"),
        (("rag", "delete", ".", "a"), "without manifest.json"),
        (("rag", "compact", "absent"), "no such folder"),
        (("rag", "search", "absent", "why?"), "no such folder"),
        (ASK, "without manifest.json"),
        ((*ASK, "--mode", "fast"), "mode is 'fast', wanted one of ('best', 'faithful'"),
        ((*ASK, "--preset", "x"), "preset is 'x'"),
        ((*ASK, "--semantics", "x"), "semantics is 'x'"),
        ((*ASK, "--preset", "paper"), "settings of mode 'faithful', the mode is 'best'"),
        ((*ASK, "--filter", "year"), "filter 'year': wanted k=v"),
        ((*ASK, "--filter", "{"), "not readable as JSON"),
        (("rag", "explain", ".", "why?"), "Missing argument"),
        (("rag", "explain", ".", "why?", "a", "--mode", "fast"), "mode is 'fast'"),
        (("rag", "explain", ".", "why?", "a"), "without manifest.json"),
        (("rag", "eval", ".", "absent"), "absent"),
        (EVAL, "without manifest.json"),
        ((*EVAL, "--compare", "best,fast"), "mode is 'fast'"),
        ((*EVAL, "--compare", "best:paper"), "settings of mode 'faithful'"),
        ((*EVAL, "--compare", "best", "--mode", "dense"), "--mode or --compare"),
        ((*EVAL, "--ablate", "--mode", "dense"), "--ablate is about mode best"),
        ((*EVAL, "--half", "third"), "half is 'third', wanted one of ('tune', 'test')"),
        ((*EVAL, "--half", "tune"), "the tune half of 1 questions is empty"),
        ((*EVAL, "--random-state", "-1"), "-1"),
        ((*EVAL, "--failures", "no/f.jsonl"), "no file can lie there"),
        ((*EVAL, "--failures", "f.jsonl", "--mode", "dense"), "--failures is about mode best"),
        (("rag", "serch"), "serch"),
        (("rag", "search"), "Missing argument"),
        (("info", "absent"), "no such folder"),
        (("verify", "absent"), "no such folder"),
    ],
)
def test_bad_input_exits_with_2_and_one_message(
    call: Any, failing: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in call(*arguments).error
    assert not (failing / "o").exists() and not (failing / "f.jsonl").exists()


def test_a_question_that_cannot_be_asked(call: Any, demo_index: Path) -> None:
    asked = ("rag", "search", demo_index)
    assert "100,000 characters" in call(*asked, "why? " * 20_000).error
    assert "the question is empty" in call(*asked, "").error
    assert "k is 0" in call(*asked, "why?", "--top-k", 0).error
    assert "window is -1" in call(*asked, "why?", "--window", -1).error


def test_an_error_leaves_the_process_with_its_code(failing: Path) -> None:
    result = run("rag", "compact", failing / "absent")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and "Traceback" not in result.stderr


def test_ctrl_c_while_indexing_leaves_the_old_index(demo_index: Path, tmp_path: Path) -> None:
    index = tmp_path / "idx"
    corpus = tmp_path / "c.jsonl"
    lines = [
        json.dumps({"id": str(i), "text": f"Marie Curie met person {i} in Warsaw. " * 20})
        for i in range(3000)
    ]
    corpus.write_text("\n".join(lines[:3]))
    assert run("rag", "index", corpus, "--out", index).returncode == 0
    before = (index / "manifest.json").read_bytes()
    corpus.write_text("\n".join(lines))
    process = subprocess.Popen(
        [*GRAPHAGG, "rag", "index", str(corpus), "--out", str(index)], stderr=subprocess.PIPE
    )
    while not list(index.glob(".tmp-*")):
        time.sleep(0.02)
        assert process.poll() is None
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"interrupted" in stderr and b"Traceback" not in stderr
    assert (index / "manifest.json").read_bytes() == before
    assert not list(index.glob(".tmp-*"))
    assert "intact" in run("verify", index).stdout
