"""The prompt with lines as a terminal sends them, and lines from a pipe."""

from __future__ import annotations

import builtins
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphagg.cli.shell.communities import CommunityShell, View
from graphagg.cli.shell.session import Completer, attempt, converse
from tests.unit.commands import Answer, run
from tests.unit.shell.talk import fresh


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def typed(
    shell: CommunityShell, monkeypatch: pytest.MonkeyPatch, *keys: str | type[BaseException]
) -> View:
    """The view after some lines, Ctrl-C and Ctrl-D at a terminal."""
    session, waiting = fresh(shell), iter(keys)

    def line(prompt: str) -> str:
        assert prompt == "communities> "
        key = next(waiting)
        if isinstance(key, str):
            return key
        raise key

    monkeypatch.setattr(builtins, "input", line)
    assert converse(session, "communities", Terminal()) == 0
    return session.view  # type: ignore[no-any-return]


@pytest.mark.parametrize("leave", [EOFError, "quit"])
def test_lines_are_commands_until_it_is_left(
    shell: CommunityShell, monkeypatch: pytest.MonkeyPatch, leave: Any
) -> None:
    view = typed(shell, monkeypatch, "seed Valjean", "method pagerank", leave, "seed Javert")
    assert view == View(("Valjean",), "pagerank")


def test_ctrl_c_clears_the_line(shell: CommunityShell, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = (KeyboardInterrupt, "seed Javert", KeyboardInterrupt, "more 2", EOFError)
    assert typed(shell, monkeypatch, *keys) == View(("Javert",), size=12)


def test_errors_do_not_end_it(
    shell: CommunityShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ("luck", "seed nobody", 'seed "', "undo", "seed Valjean", EOFError)
    assert typed(shell, monkeypatch, *keys) == View(("Valjean",))
    complaints = capsys.readouterr().err
    assert complaints.count("error: ") == 4 and "Traceback" not in complaints


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (OSError(28, "No space left on device", "x.csv"), "x.csv: No space left on device"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_not_even_a_fault_of_the_program_ends_it(
    shell: CommunityShell,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fault: BaseException,
    said: str,
) -> None:
    def fail(*_: object) -> Any:
        raise fault

    monkeypatch.setattr(shell, "run", fail)
    assert not attempt(shell, "seed Valjean")
    assert said in capsys.readouterr().err


def test_tab_completes_vertices_and_files(
    shell: CommunityShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def completed(line: str) -> list[str]:
        before = line[: line.rfind(" ") + 1]  # readline replaces what follows the last blank
        return [before + each for each in Completer(shell).matches(line, line[len(before) :])]

    assert completed("seed Valj") == ["seed Valjean"]
    assert completed('seed "Valj') == ['seed "Valjean"']
    assert completed("wh") == ["why"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found.csv").touch()
    (tmp_path / "what was found.csv").touch()
    assert completed("save fo") == ["save found.csv"]
    assert completed('save "what was') == ['save "what was found.csv"']
    assert completed("why #1") == []


# --- pipes -----------------------------------------------------------------------------------


def pipe(call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, text: str, *words: object):
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return call(*words)


def test_a_script_runs_to_its_end_and_says_that_a_line_failed(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, les_miserables: Path
) -> None:
    script = "# who\nseed Valjean\n\nseed nobody\nmethod jaccard"
    found = pipe(call, monkeypatch, script, "communities", "shell", les_miserables)
    assert found.code == 2 and "'nobody' is not in the graph" in found.err
    assert "method fused" in found.out and "method jaccard" in found.out
    well = pipe(
        call, monkeypatch, "more 3\nquit\nluck\n",
        "communities", "shell", les_miserables, "--seed", "Javert", "--method", "minhash",
    )  # fmt: skip
    assert (well.code, well.err) == (0, "") and "method minhash" in well.out


def test_wrong_directories_and_seeds_are_refused_at_once(
    call: Callable[..., Answer], les_miserables: Path, tmp_path: Path
) -> None:
    assert "without manifest.json" in call("communities", "shell", tmp_path).error
    assert "without manifest.json" in call("rag", "shell", tmp_path).error
    assert "wanted 'passages'" in call("rag", "shell", les_miserables).error
    assert (
        "is not in the graph"
        in call("communities", "shell", les_miserables, "--seed", "nobody").error
    )
    assert "'luck'" in call("communities", "shell", les_miserables, "--method", "luck").error


def test_passages_from_a_pipe(
    call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, demo_index: Path
) -> None:
    script = "On which river does the birthplace of Marie Curie lie?\nwhy 2\ntop 1\n"
    found = pipe(call, monkeypatch, script, "rag", "shell", demo_index)
    assert found.code == 0, found.err
    assert "leads to it by a page link" in found.out and "Vistula" in found.out
    assert "\x1b" not in found.out


def test_a_pipe_gets_plain_text_a_row_a_line(les_miserables: Path) -> None:
    found = run(
        "communities", "query", les_miserables, "--seed", "Enjolras", "--seed", "Gavroche",
        FORCE_COLOR="", TERM="xterm-256color",
    )  # fmt: skip
    assert found.returncode == 0 and "\x1b" not in found.stdout + found.stderr
    assert len(found.stdout.splitlines()) == 51
