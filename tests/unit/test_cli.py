"""The command line as a person and as a script meet it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphagg.cli.folders import remember_source, source_of
from graphagg.cli.output.console import plain_report
from graphagg.rag import PassageIndex
from tests.unit.commands import Answer, run

Call = Callable[..., Answer]


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, demo_index: Path) -> Path:
    shutil.copytree(demo_index, tmp_path / "idx")
    (tmp_path / "bad.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "b"\n')
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "good.jsonl").write_text('{"id": "a", "text": "x"}\n')
    (tmp_path / "q.jsonl").write_text('{"question": "?", "gold_passage_ids": ["a"]}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_info_and_verify(call: Call, demo_index: Path) -> None:
    manifest = call("info", demo_index, "--json").json
    assert manifest == json.loads((demo_index / "manifest.json").read_text())
    shown = call("info", demo_index).out
    assert "42" in shown and "words" in shown and "source code" not in shown
    assert "intact" in call("verify", demo_index).out


ASK = ("rag", "search", ".", "why?")
EVAL = ("rag", "eval", ".", "q.jsonl")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rag", "index", "bad.jsonl", "--out", "o"), "bad.jsonl:2: invalid JSON"),
        (("rag", "index", "empty.jsonl", "--out", "o"), "no passages found"),
        (("rag", "index", "absent", "--out", "o"), "no such file"),
        (("rag", "index", "good.jsonl", "--out", "o", "--chunk-words", "0"), "max_words is 0"),
        (("rag", "index", "good.jsonl", "--out", "o", "--chunk-words", "-1"), "is -1"),
        (("rag", "add", "absent", "good.jsonl"), "no such folder"),
        (("rag", "add", "idx", "bad.jsonl"), "bad.jsonl:2: invalid JSON"),
        (("rag", "update", "idx", "empty.jsonl"), "no passages found"),
        (("rag", "update", ".", "good.jsonl"), "without manifest.json"),
        (("rag", "delete", "."), "no ids given"),
        (("rag", "delete", ".", "--ids-file", "absent"), "absent: No such file"),
        (("rag", "delete", ".", "a"), "without manifest.json"),
        (("rag", "compact", "absent"), "no such folder"),
        (("rag", "search", "absent", "why?"), "no such folder"),
        (ASK, "without manifest.json"),
        ((*ASK, "--mode", "fast"), 'Choose from: "multihop", '),
        ((*ASK, "--filter", "year"), "filter 'year': expected k=v"),
        ((*ASK, "--filter", "{"), "not readable as JSON"),
        (("rag", "explain", ".", "why?"), "rag explain needs PASSAGE"),
        (("rag", "explain", ".", "why?", "a", "--mode", "fast"), 'Invalid value "fast"'),
        (("rag", "explain", ".", "why?", "a"), "without manifest.json"),
        (("rag", "eval", ".", "absent"), "absent"),
        (EVAL, "without manifest.json"),
        ((*EVAL, "--compare", "multihop,fast"), "mode is 'fast'"),
        ((*EVAL, "--compare", "multihop", "--mode", "dense"), "--mode or --compare"),
        ((*EVAL, "--random-state", "-1"), "--random-state"),
        (("rag", "serch"), 'Did you mean "search"?'),
        (("rag", "search"), "rag search needs DIRECTORY"),
        (("rag", "index", ".", "-o", "idx"), "rag index needs --out; it has no option -o"),
        (("rag", "index", ".", "--out"), "parameter --out requires an argument"),
        (("info", "absent"), "no such folder"),
        (("verify", "absent"), "no such folder"),
    ],
)
def test_bad_input_exits_with_2_and_one_message(
    call: Call, failing: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in call(*arguments).error
    assert not (failing / "o").exists() and not (failing / "f.jsonl").exists()


def test_a_question_that_cannot_be_asked(call: Call, demo_index: Path) -> None:
    asked = ("rag", "search", demo_index)
    assert "100,000 characters" in call(*asked, "why? " * 20_000).error
    assert "the question is empty" in call(*asked, "").error
    assert "k is 0" in call(*asked, "why?", "-k", 0).error
    assert "neighbors is -1" in call(*asked, "why?", "--neighbors", -1).error


def test_an_error_leaves_the_process_with_its_code(failing: Path) -> None:
    result = run("rag", "compact", failing / "absent")
    assert result.returncode == 2 and result.stdout == ""
    assert result.stderr.startswith("error: ") and "Traceback" not in result.stderr


def test_a_pipe_gets_plain_text(demo_index: Path) -> None:
    found = run("info", demo_index, FORCE_COLOR="", TERM="xterm-256color")
    assert found.returncode == 0 and "\x1b" not in found.stdout + found.stderr


# Indexes with stand-ins for the models; the encoder says that it begins, and waits for Ctrl-C.
INTERRUPTED = """
import signal, sys, time
sys.modules["torch"] = None  # spaCy would import it
from graphagg.cli.main import main
from graphagg.rag.models import encoder, extractor
from tests.fakes import FakeEncoder, FakeExtractor

class Waiting(FakeEncoder):
    def encode(self, texts, progress=None):
        print("encoding", flush=True)
        while True:
            time.sleep(1)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job would not hear it
encoder.SentenceTransformerEncoder = lambda *_, **__: Waiting()
extractor.SpacyExtractor = lambda *_, **__: FakeExtractor()
main()
"""


def test_ctrl_c_while_indexing_leaves_the_old_index(
    call: Call, small_index: PassageIndex, tmp_path: Path
) -> None:
    index = tmp_path / "idx"
    small_index.close()
    before = {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    (tmp_path / "c.jsonl").write_text('{"id": "a", "text": "Marie Curie was born in Warsaw."}')
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, "rag", "index", tmp_path / "c.jsonl", "--out", index],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None and process.stdout.readline() == b"encoding\n"
    assert list(index.glob(".tmp-*"))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=900)
    assert process.returncode == 130
    assert b"interrupted" in stderr and b"Traceback" not in stderr
    assert before == {path: path.read_bytes() for path in index.rglob("*") if path.is_file()}
    assert "intact" in call("verify", index).out


def test_a_log_shows_that_work_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal there is a line at the end of a stage, and one now and then before it."""
    clock = {"now": 0.0}
    report = plain_report(lambda: clock["now"])
    for clock["now"], done in ((1.0, 0), (16.0, 2_000), (17.0, 2_100), (18.0, 4_000)):
        report("passages", done, 4_000)
    report("reading", 40_000, 0)
    lines = ["passages: 2,000 of 4,000 done", "passages: 4,000 done"]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_folder_of_any_name_is_remembered(tmp_path: Path) -> None:
    """Also one whose name is not UTF-8, or has letters that the locale lacks."""
    for name in (b"plain", "caf\u00e9".encode(), b"not-utf8-\xff"):
        source = tmp_path / os.fsdecode(name)
        remember_source(tmp_path, str(source), None)
        assert source_of(tmp_path) == str(source)
