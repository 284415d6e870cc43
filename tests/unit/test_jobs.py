"""Options and ends of the Spark jobs, without Spark."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from graphagg.cli.builds import graphs
from graphagg.cli.builds import run as running
from graphagg.cli.builds.build import Built, RunOptions
from graphagg.cli.builds.graphs import CommunitiesBuild, EmbeddingBuild
from graphagg.cli.main import app, main
from graphagg.cli.options import TABLES
from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.indexing.engine import KIND
from graphagg.errors import EmptyGraph, GraphAggError, InvalidParameter, JobFailed, WriteFailed
from graphagg.graph.reading.settings import EdgeReading
from graphagg.graph.spark.edges import EdgeInput
from graphagg.spark.build import SparkOptions, recall, remember
from graphagg.spark.session import cause

Start = Callable[..., int]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Run a job by its command line; the exit code."""

    def run(name: str, *arguments: object, **environment: str) -> int:
        monkeypatch.setattr("sys.argv", [f"{name}.py", *map(str, arguments)])
        with monkeypatch.context() as patch:
            for key, value in environment.items():
                patch.setenv(key, value)
            with pytest.raises(SystemExit) as end:
                main("job", name)
        return int(end.value.code or 0)

    return run


@pytest.fixture
def edges(tmp_path: Path) -> Path:
    path = tmp_path / "edges.txt"
    path.write_text("1 2\n2 3\n3 1\n")
    return path


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """What an embedding job would run with; it runs nothing."""
    seen: list[Mapping[str, Any]] = []

    def keep(build: Any, run: Any) -> None:
        seen.append(vars(build) | vars(build.parameters) | vars(build.reading) | vars(run))

    monkeypatch.setattr(graphs, "run_build", keep)
    return seen


def test_flags_environment_file_defaults(
    start: Start, tmp_path: Path, given: list[Mapping[str, Any]]
) -> None:
    """The first of the four that gives a value wins, for each option by itself."""
    file = tmp_path / "job.toml"
    table = "dim = 4\npieces = 4\npropagate = 2\nweighted = false\nforce = true\n"
    file.write_text(f'[communities]\nbands = 9\n[embed]\nedges = "e"\nout = "o"\n{table}')
    code = start(
        "embed", "--config", file, "--dim", 2, "--no-force", "--log-level", "debug",
        GRAPHAGG_DIM="3", GRAPHAGG_PIECES="3", GRAPHAGG_DTYPE="float16", GRAPHAGG_EDGES="f",
    )  # fmt: skip
    assert code == 0
    (found,) = given
    names = ("dim", "pieces", "propagate", "dtype", "kind", "edges", "weighted", "force")
    wanted = (2, 3, 2, "float16", "undirected", ["f"], False, False)
    assert tuple(found[name] for name in names) == wanted
    assert found["out"] == "o" and found["log_level"] == "debug" and found["engine"] == "spark"


def test_the_file_by_the_environment(
    start: Start, tmp_path: Path, given: list[Mapping[str, Any]]
) -> None:
    file = tmp_path / "job.toml"
    file.write_text('[embed]\nedges = "e"\nout = "o"\nmax_piece_edges = 7\n')
    assert start("embed", GRAPHAGG_CONFIG=str(file)) == 0
    assert given[0]["max_piece_edges"] == 7


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("[embed]\ndims = 3\npiece = 4\n", ['"[embed][dims]" from ', "job.toml"]),
        ("[embed]\nmax_piece_edge = 3\n", ["Did you mean --max-piece-edges?"]),
        ("[embeds]\ndim = 3\n", ["unknown table embeds", "communities", "passages"]),
        ("dim = 3\n", ["unknown table dim"]),
        ("embed = 3\n", ["[embed]", "must be a mapping"]),
        ("[embed]\ndim = [3]\n", ["[embed][dim]", 'convert "[3]"']),
        ("[embed]\ndim = 3.5\n", ["[embed][dim]", 'convert "3.5"']),
        ("[embed\n", ["not valid TOML"]),
        (None, ["No such file"]),
    ],
)
def test_a_bad_file_is_refused(
    start: Start,
    tmp_path: Path,
    given: list[Mapping[str, Any]],
    capsys: pytest.CaptureFixture[str],
    content: str | None,
    messages: list[str],
) -> None:
    file = tmp_path / "job.toml"
    if content is not None:
        file.write_text(content)
    assert start("embed", "--config", file, "--edges", "e", "--out", "o") == 2
    error = capsys.readouterr().err
    assert all(message in error for message in messages) and "Traceback" not in error
    assert given == []


def test_the_note_of_a_job_stands_for_its_files(tmp_path: Path, edges: Path) -> None:
    out = tmp_path / "out"
    CommunityIndex.build(str(edges), out).close()

    def job(**changes: Any) -> dict[str, Any]:
        return EdgeInput.of(str(edges), EdgeReading()).job(CommunityConfig(**changes))

    remember(out, KIND, job(), {"edges": 3})
    found = recall(out, KIND, job())
    assert found is not None and found["report"] == {"edges": 3}
    assert recall(out, KIND, job(bands=8)) is None
    assert recall(out, "embedding", job()) is None
    CommunityIndex.build([(1, 2), (2, 4)], out).close()
    assert recall(out, KIND, job()) is None, "another build came after"
    remember(out, KIND, job())
    (out / ".job.json").write_text("[1")
    assert recall(out, KIND, job()) is None
    unknown = EdgeInput.of("hdfs://host/edges", EdgeReading()).job(CommunityConfig())
    remember(out, KIND, unknown)
    assert recall(out, KIND, unknown) is None, "its files cannot be known again"


@dataclass
class Session:
    """No Spark."""

    def __call__(self, *_: object) -> Session:
        return self

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (None, 0, ""),
        (EmptyGraph("contains no edges"), 2, "EmptyGraph error: contains no edges"),
        (
            JobFailed("the Spark job failed: Lost: x"),
            1,
            "it stopped in stage pairs (2 of 3); finished stages stay",
        ),
        (WriteFailed("disk full"), 1, "WriteFailed error: disk full; it stopped in stage pairs"),
        (OSError(28, "No space left on device", "/a/b"), 1, "/a/b: No space left on device; it"),
        (
            KeyboardInterrupt(),
            130,
            "interrupted; existing files have not changed; it stopped",
        ),
    ],
)
def test_exit_codes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    edges: Path,
    error: BaseException | None,
    code: int,
    message: str,
) -> None:
    monkeypatch.setattr(running, "session", Session())
    monkeypatch.setattr(running, "follow", lambda *_: None)
    out = tmp_path / "out"

    def build(self: Any, run: Any, progress: Any, engine: Any) -> Built:
        out.with_name("out.work").mkdir()
        progress("edges", 1, 1)
        if error is not None:
            raise error
        return Built({"vertices": 3})

    monkeypatch.setattr(CommunitiesBuild, "stages", lambda _: ("edges", "pairs", "bands"))
    monkeypatch.setattr(CommunitiesBuild, "build", build)
    monkeypatch.setattr("sys.argv", ["graphagg", "--edges", str(edges), "--out", str(out)])
    with pytest.raises(SystemExit) as end:
        main("job", "communities")
    assert (end.value.code or 0) == code
    shown = capsys.readouterr()
    assert "INFO communities edges stage 1 of 3 done" in shown.err
    assert message in shown.err and "Traceback" not in shown.err
    assert shown.out.startswith(f"{out}: 3 vertices; ") if code == 0 else shown.out == ""


def test_a_path_of_another_default_file_system_is_not_missed(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Hadoop is configured, a path without a scheme may be of HDFS."""

    def begun(*_: object) -> None:
        raise JobFailed("a session starts")

    monkeypatch.setattr(running, "session", begun)
    words = ("--edges", "/user/ann/edges", "--out", tmp_path / "out")
    assert start("communities", *words, HADOOP_CONF_DIR=str(tmp_path)) == 1
    assert start("communities", *words) == 2


def test_a_dry_run_starts_no_session_and_writes_nothing(
    start: Start, tmp_path: Path, edges: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(running, "session", None)
    work = tmp_path / "out.work"
    work.mkdir()
    (work / "edges.json").touch()
    before = sorted(tmp_path.rglob("*"))
    assert start("communities", "--edges", edges, "--out", tmp_path / "out", "--dry-run") == 0
    assert "edges: finished\n" in capsys.readouterr().out
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_wrong_input_is_named_before_a_session_starts(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], dry: tuple[str, ...],
) -> None:  # fmt: skip
    """And before anything is claimed: no folder is made."""
    monkeypatch.setattr(running, "session", None)
    (tmp_path / "named.csv").write_text("caller,callee\nann,bob\n")
    (tmp_path / "table.csv").write_text("source,target\n1,2\n")
    (tmp_path / "bad.txt").write_text("1 2\n3 -4\n")
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").write_text("x")
    out = tmp_path / "out"
    for edges, folder, more, message in (
        ("absent.csv", out, (), "no such file"),
        ("empty", out, (), "the folder has no files"),
        ("table.csv", out, ("--source", "calller"), "not exactly one column is called 'calller'"),
        ("named.csv", out, ("--header", "--target", "to"), "not exactly one column is called 'to'"),
        ("bad.txt", out, (), "line 2: negative id -4"),
        ("table.csv", tmp_path / "taken", (), "contains 'thesis.tex' and no index"),
    ):
        words = ("--edges", tmp_path / edges, "--out", folder, *more, *dry)
        assert start("communities", *words) == 2
        assert message in capsys.readouterr().err
        assert not out.exists() and not out.with_name("out.work").exists()


def test_the_cause_of_a_failure_is_one_line() -> None:
    text = (
        "An exception was thrown from the Python worker. Please see the stack trace below.\n"
        "Traceback (most recent call last):\n"
        '  File "worker.py", line 1, in main\n'
        "OSError: [Errno 28] No space left on device\n\n"
        "\tat org.apache.spark.api.python.BasePythonRunner\n"
    )
    assert cause(Exception(text)) == "OSError: [Errno 28] No space left on device"
    java = "Job aborted.\nCaused by: java.lang.OutOfMemoryError: Java heap space\n\tat x.y\n"
    assert cause(Exception(java)) == "OutOfMemoryError: Java heap space"
    assert cause(Exception("Answer from Java side is empty")) == "Answer from Java side is empty"
    assert issubclass(JobFailed, GraphAggError)


@pytest.mark.parametrize("name", sorted(set(TABLES) - {"serve"}))
def test_a_job_is_a_command_and_a_file(name: str) -> None:
    """`graphagg job NAME` and `jobs/NAME.py` run the same."""
    assert name in app["job"]
    text = (Path(__file__).parents[2] / "jobs" / f"{name}.py").read_text("utf-8")
    assert text.endswith(f'if __name__ == "__main__":\n    main("job", "{name}")\n')


def test_a_file_of_a_job_runs_alone() -> None:
    shown = subprocess.run(
        [sys.executable, "jobs/embed.py", "--out", "emb"], capture_output=True, text=True,
        check=False, cwd=Path(__file__).parents[2], env=os.environ | {"PYTHONPATH": "."},
    )  # fmt: skip
    assert shown.returncode == 2 and "--edges" in shown.stderr


@pytest.mark.parametrize("build", [CommunitiesBuild, EmbeddingBuild])
def test_spark_refuses_a_graph_that_is_no_file(build: Any, tmp_path: Path) -> None:
    asked, run = build(["bundled:les_miserables"]), RunOptions(out=tmp_path / "out")
    with pytest.raises(InvalidParameter, match="--engine local"):
        asked.build(run, lambda *_: None, SparkOptions())
