"""The prompt with keys as a terminal sends them, and lines from a pipe."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from graphagg.cli.shell.communities import CommunityShell, View
from graphagg.cli.shell.prompt import Now, ask_at_terminal, attempt, converse, make_session
from graphagg.errors import MissingExtra
from tests.unit.commands import Answer, run

CTRL_C, CTRL_D, TAB, ENTER = "\x03", "\x04", "\t", "\r"


def typed(shell: CommunityShell, keys: str) -> View:
    """What is looked at after some keys, the last of which leave."""
    now = Now(shell)
    with create_pipe_input() as keyboard, create_app_session(keyboard, DummyOutput()):
        keyboard.send_text(keys)
        ask_at_terminal(shell, make_session(shell, now), now, "communities")
    return now.history.now  # type: ignore[no-any-return]


@pytest.mark.parametrize("leave", [CTRL_D, f"quit{ENTER}"])
def test_lines_are_commands_until_it_is_left(shell: CommunityShell, leave: str) -> None:
    keys = f"seed Valjean{ENTER}method pagerank{ENTER}{leave}seed Javert{ENTER}"
    assert typed(shell, keys) == View(("Valjean",), "pagerank")


def test_ctrl_c_clears_the_line(shell: CommunityShell) -> None:
    keys = f"seed Valjean{CTRL_C}seed Javert{ENTER}{CTRL_C}{CTRL_C}more 2{ENTER}{CTRL_D}"
    assert typed(shell, keys) == View(("Javert",), size=12)


def test_errors_do_not_end_it(shell: CommunityShell, capsys: pytest.CaptureFixture[str]) -> None:
    keys = f'luck{ENTER}seed nobody{ENTER}seed "{ENTER}undo{ENTER}seed Valjean{ENTER}{CTRL_D}'
    assert typed(shell, keys) == View(("Valjean",))
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
    assert attempt(shell, shell.start, "seed Valjean") is None
    assert said in capsys.readouterr().err


def test_tab_completes_vertices_and_files(
    shell: CommunityShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with create_pipe_input() as keyboard, create_app_session(keyboard, DummyOutput()):
        completer = make_session(shell, Now(shell)).completer

    def completed(line: str) -> list[str]:
        found = completer.get_completions(Document(line), CompleteEvent(completion_requested=True))
        return [line[: len(line) + each.start_position] + each.text for each in found]

    assert completed("seed Valj") == ["seed Valjean"]
    assert completed("wh") == ["why"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "found.csv").touch()
    assert completed("save fo") == ["save found.csv"]
    assert completed("why #1") == []


def test_without_the_extra_a_terminal_is_told_and_a_pipe_works(
    shell: CommunityShell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    with pytest.raises(MissingExtra, match=r'pip install .*\[shell\]"'):
        converse(shell, "communities", Terminal("seed Valjean\n"))
    assert converse(shell, "communities", io.StringIO("seed Valjean\n")) == 0
    assert "Javert" in capsys.readouterr().out


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
