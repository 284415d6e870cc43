"""Every command explains itself by an example that could be run."""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclopts import App
from rich.console import Console

from graphagg import __version__
from graphagg.cli.main import app
from graphagg.cli.output import console
from tests.unit.commands import Answer, leaves, run

LEAVES = dict(leaves())


def examples(command: App) -> list[list[str]]:
    """The words after `graphagg` of each example in a command's help."""
    marked = [line for line in command.help.split("\n\n") if line.strip().startswith("Example: ")]
    words = [shlex.split(line.strip().removeprefix("Example: ")) for line in marked]
    return [each[each.index("graphagg") + 1 :] for each in words]


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_help_and_an_example(path: tuple[str, ...]) -> None:
    command = LEAVES[path]
    assert not command.help.startswith("Example: ")
    found = examples(command)
    assert found, f"graphagg {' '.join(path)} shows no example"
    for words in found:
        assert tuple(words[: len(path)]) == path
        bound = app.parse_args(words)[1]  # raises if it cannot
        takes = command.assemble_argument_collection(parse_docstring=False)
        assert bound.arguments or not takes, "an example says nothing of what the command takes"


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_option_and_argument_has_help(path: tuple[str, ...]) -> None:
    arguments = LEAVES[path].assemble_argument_collection(parse_docstring=False)
    assert [each.name for each in arguments if not each.parameter.help and each.show] == []


def test_help_shows_the_examples(call: Callable[..., Answer]) -> None:
    shown = call("communities", "detect", "--help").out
    assert "graphagg communities detect edges.csv --out communities.csv" in shown
    assert "--start communities.csv" in shown


def test_version(call: Callable[..., Answer]) -> None:
    assert call("--version").out == f"{__version__}\n"


# --- completion ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_completes_commands_and_options(shell: str) -> None:
    found = run("--show-completion", SHELL=f"/bin/{shell}")
    assert found.returncode == 0, found.stderr
    assert all(word in found.stdout for word in ("communities", "neighbors", "max-piece-edges"))


def test_the_command_loads_nothing_heavy() -> None:
    """Completion and help start the command at each key; what is heavy loads where it is used."""
    import subprocess

    code = (
        "import sys\nfrom graphagg.cli.main import main\n"
        "sys.argv = ['graphagg', 'communities', '--help']\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = ('torch', 'numba', 'pyarrow', 'pandas', 'networkx', 'matplotlib', 'sknetwork',\n"
        "         'faiss', 'prompt_toolkit', 'fastapi', 'pyspark', 'scipy', 'sklearn', 'spacy')\n"
        "print([name for name in heavy if name in sys.modules], file=sys.stderr)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=900
    )
    assert found.stderr.strip() == "[]"


# --- progress ------------------------------------------------------------------------------------


def test_progress_at_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    terminal = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(console, "err", terminal)
    with console.progress_report() as report:
        report("edges", 120, 120)
        report("signatures", 0, 14)
        report("signatures", 7, 14)
    drawn = screen.getvalue()
    assert "signatures" in drawn and "7/14" in drawn


def test_progress_in_a_pipe_is_a_line_a_stage(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress_report() as report:
        report("edges", 30, 120)
        report("edges", 120, 120)
    assert capsys.readouterr().err == "edges: 120 done\n"


def test_a_shell_answers_line_by_line(
    call: Callable[..., Answer], les_miserables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shell(lines: str) -> Answer:
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        return call("communities", "shell", les_miserables, "-k", "2")

    seeds = ("--seed", "Enjolras", "--seed", "MmeHucheloup")
    alone = call("communities", "query", les_miserables, *seeds, "-k", "2")
    answer = shell('Enjolras "MmeHucheloup"\n\n')
    assert (answer.code, answer.out) == (0, alone.out)
    answer = shell('Nobody\nEnjolras "Mme\nEnjolras "MmeHucheloup"\n')
    assert (answer.code, answer.out) == (2, alone.out)  # the lines after an error are answered
    assert "error: " in answer.err and "Nobody" in answer.err and "quote an id" in answer.err


def test_a_pipe_gets_plain_text_a_row_a_line(les_miserables: Path) -> None:
    found = run(
        "communities", "query", les_miserables, "--seed", "Enjolras", "--seed", "Gavroche",
        FORCE_COLOR="", TERM="xterm-256color",
    )  # fmt: skip
    assert found.returncode == 0 and "\x1b" not in found.stdout + found.stderr
    assert len(found.stdout.splitlines()) == 51
