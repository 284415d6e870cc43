"""The command line as a person and as a script meet it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

GRAPHAGG = [sys.executable, "-c", "from graphagg.cli.main import main; main()"]
ROOT = Path(__file__).parents[2]
DEMO = ROOT / "graphagg" / "rag" / "demo"
RECIPE = ROOT / "indices" / "demo-passages" / "recipe.toml"


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GRAPHAGG, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=120,
    )


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    (tmp_path / "bad.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "b"\n')
    (tmp_path / "empty.jsonl").write_text("")
    return tmp_path


def test_search_is_the_same_in_another_process(demo_index: Path) -> None:
    question = "On which river does the birthplace of Marie Curie lie?"
    answers = [
        run("rag", "search", demo_index, question, "--json", PYTHONHASHSEED=seed)
        for seed in ("0", "12345")
    ]
    assert answers[0].returncode == 0, answers[0].stderr
    assert answers[0].stdout == answers[1].stdout
    hits = json.loads(answers[0].stdout)["hits"]
    assert {"id", "title", "text", "score", "components", "path", "metadata"} <= hits[0].keys()
    assert {"curie-marie", "warsaw"} <= {hit["id"] for hit in hits}
    from graphagg.rag import PassageIndex

    with PassageIndex.open(demo_index) as index:
        assert [hit.to_json() for hit in index.retrieve(question)] == hits


def test_search_explains(demo_index: Path) -> None:
    shown = run(
        "rag", "search", demo_index, "Where was Marie Curie born?", "--explain", COLUMNS="200"
    ).stdout
    assert "Marie Curie" in shown and "->" in shown and "dense 0." in shown


def test_eval(demo_index: Path) -> None:
    result = run("rag", "eval", demo_index, DEMO / "questions.jsonl", "--json")
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["questions"] == 10 and report["gold_missing"] == 0
    assert 0 < report["recall@2"] <= report["recall@5"] <= report["recall@10"] <= 100
    assert report["all_gold@5"] <= report["recall@5"]
    kinds = report["by_type"]
    assert kinds["comparison"]["questions"] + kinds["compositional"]["questions"] == 10
    total = sum(kind["questions"] * kind["recall@5"] for kind in kinds.values())
    assert total / 10 == pytest.approx(report["recall@5"], abs=0.02)
    for stage in ("encode", "entities", "retrieve", "total"):
        assert 0 < report["latency_ms"][stage]["p50"] <= report["latency_ms"][stage]["p99"]


def test_eval_compares_modes(demo_index: Path) -> None:
    modes = "faithful,faithful:paper,dense"
    result = run("rag", "eval", demo_index, DEMO / "questions.jsonl", "--compare", modes, "--json")
    assert list(json.loads(result.stdout)) == modes.split(",")
    table = run("rag", "eval", demo_index, DEMO / "questions.jsonl", "--mode", "dense").stdout
    assert "recall@5" in table and "10 questions" in table


def test_info_and_verify(demo_index: Path) -> None:
    manifest = json.loads(run("info", demo_index, "--json").stdout)
    assert manifest == json.loads((demo_index / "manifest.json").read_text())
    assert "42" in run("info", demo_index).stdout
    assert "intact" in run("verify", demo_index).stdout


def test_recipe_builds_beside_itself(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("Marie Curie was born in Warsaw.")
    (tmp_path / "recipe.toml").write_text('kind = "passages"\ninput = "texts"\n')
    result = run("build", tmp_path / "recipe.toml", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["passages"] == 1
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


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rag", "index", "bad.jsonl", "--out", "o"), "bad.jsonl:2: not JSON"),
        (("rag", "index", "empty.jsonl", "--out", "o"), "no passages"),
        (("rag", "index", "absent", "--out", "o"), "no such file"),
        (("rag", "search", "absent", "why?"), "no such folder"),
        (("rag", "search", ".", "why?"), "without manifest.json"),
        (("rag", "search", ".", "why?", "--mode", "fast"), "mode is 'fast'"),
        (("rag", "search", ".", "why?", "--preset", "x"), "preset is 'x'"),
        (("rag", "search", ".", "why?", "--semantics", "x"), "semantics is 'x'"),
        (("rag", "eval", ".", "absent"), "absent"),
        (
            (
                "rag",
                "serch",
            ),
            "serch",
        ),
        (("rag", "search"), "Missing argument"),
        (("info", "absent"), "no such folder"),
        (("verify", "absent"), "no such folder"),
    ],
)
def test_bad_input_exits_with_2_and_one_message(
    failing: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = subprocess.run(
        [*GRAPHAGG, *arguments], cwd=failing, capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert message in " ".join(result.stderr.split()) and "Traceback" not in result.stderr
    assert result.stdout == "" and not (failing / "o").exists()


def test_a_question_that_is_too_long(demo_index: Path) -> None:
    result = run("rag", "search", demo_index, "why? " * 20_000)
    assert result.returncode == 2 and "100,000 characters" in result.stderr
    assert run("rag", "search", demo_index, "").returncode == 2
    assert run("rag", "search", demo_index, "why?", "--top-k", 0).returncode == 2


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
