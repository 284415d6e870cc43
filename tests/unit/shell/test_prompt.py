"""A line of a shell prints what the command prints; the index stays open, whatever is typed."""

from __future__ import annotations

import builtins
import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphagg.cli.main import app
from graphagg.cli.shell import Shell, split
from graphagg.communities import CommunityIndex
from graphagg.rag import PassageIndex
from tests.unit.commands import Answer, run

QUESTION = "On which river does the birthplace of Marie Curie lie?"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def say(call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Give lines to a command by a pipe."""

    def say(text: str, *words: object) -> Answer:
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        return call(*words)

    return say


def test_a_line_of_seeds_is_a_query(say: Any, call: Any, les_miserables: Path) -> None:
    seeds = ("--seed", "Valjean", "--seed", "Javert")
    for options in ((), ("--method", "jaccard", "-k", "3")):
        wanted = call("communities", "query", les_miserables, *seeds, *options)
        answer = say("Valjean Javert\n", "communities", "shell", les_miserables, *options)
        assert (answer.code, answer.out) == (0, wanted.out)


def test_every_command_of_an_index_is_one_of_the_shell(
    say: Any, call: Any, demo_index: Path
) -> None:
    lines = {
        QUESTION: ("search", demo_index, QUESTION, "-k", "2"),
        f"search '{QUESTION}' --json": ("search", demo_index, QUESTION, "--json"),
        f"explain '{QUESTION}' warsaw": ("explain", demo_index, QUESTION, "warsaw"),
        "similar warsaw": ("similar", demo_index, "warsaw"),
    }
    for line, words in lines.items():
        answer = say(f"{line}\n", "rag", "shell", demo_index, "-k", "2")
        assert (answer.code, answer.out) == (0, call("rag", *words).out)
    shell = Shell(app["rag"], str(demo_index), "search", lambda line: [line])
    assert "index" not in shell.commands and {"add", "delete", "eval"} <= shell.commands.keys()


def test_options_go_with_each_question_until_they_are_set_anew(
    say: Any, call: Any, les_miserables: Path
) -> None:
    script = "Valjean\nset --method pagerank -k 2\nValjean\nset\nValjean\n"
    answer = say(script, "communities", "shell", les_miserables, "-k", "4")
    query = ("communities", "query", les_miserables, "--seed", "Valjean")
    options = (("-k", "4"), ("--method", "pagerank", "-k", "2"), ())
    assert answer.out == "".join(call(*query, *each).out for each in options)


def test_the_index_is_opened_once(
    say: Any, demo_index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, real = [], PassageIndex.open
    monkeypatch.setattr(
        PassageIndex, "open", lambda *args, **options: opened.append(1) or real(*args, **options)
    )
    assert say(f"{QUESTION}\n{QUESTION}\n", "rag", "shell", demo_index).code == 0
    assert opened == [1]


def test_a_change_shows_in_the_next_line(say: Any, tmp_path: Path) -> None:
    path, edges = tmp_path / "comm", tmp_path / "more.csv"
    CommunityIndex.build([("a", "b"), ("b", "c")], path).close()
    edges.write_text("src,dst\na,x\n")
    answer = say(f"x\nadd {edges}\nx\n", "communities", "shell", path)
    assert answer.code == 2 and answer.err.count("'x' is not in the graph") == 1


def test_errors_end_nothing_and_show_in_the_exit_code(say: Any, les_miserables: Path) -> None:
    script = '# who\n\nnobody\nquery --luck\nset --luck\n"Val\nValjean\nquit\nnobody\n'
    answer = say(script, "communities", "shell", les_miserables)
    assert answer.code == 2 and answer.err.count("error: ") == 4
    assert "Traceback" not in answer.err and "unexpectedly" not in answer.err
    assert "'nobody' is not in the graph" in answer.err and "Javert" in answer.out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (KeyboardInterrupt(), "interrupted"),
        (OSError(28, "No space left on device", "x.csv"), "x.csv: No space left on device"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_not_even_a_fault_of_the_program_ends_it(
    say: Any, les_miserables: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException, said: str
) -> None:
    def fail(*_: object, **__: object) -> Any:
        raise fault

    monkeypatch.setattr(CommunityIndex, "query", fail)
    answer = say("Valjean\nhelp\n", "communities", "shell", les_miserables)
    assert said in answer.err and "structure" in answer.out


def test_what_it_begins_with_is_checked(say: Any, les_miserables: Path, tmp_path: Path) -> None:
    assert "without manifest.json" in say("", "communities", "shell", tmp_path).error
    assert "wanted 'passages'" in say("", "rag", "shell", les_miserables).error
    assert "luck" in say("", "communities", "shell", les_miserables, "--luck").error
    assert '"luck"' in say("", "communities", "shell", les_miserables, "--method", "luck").error


def test_at_a_terminal_lines_are_typed(
    call: Any, les_miserables: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = iter([KeyboardInterrupt, "nobody", "help query", EOFError])

    def line(prompt: str) -> str:
        assert prompt == "communities> "
        key = next(keys)
        if isinstance(key, str):
            return key
        raise key

    monkeypatch.setattr(builtins, "input", line)
    monkeypatch.setattr(sys, "stdin", Terminal())
    answer = call("communities", "shell", les_miserables)
    assert answer.code == 0 and "--seed" in answer.out and "nobody" in answer.err


def test_words_complete(les_miserables: Path) -> None:
    shell = Shell(app["communities"], str(les_miserables), "query", lambda line: ["--seed", line])
    assert shell.completions("str") == ["structure"] and shell.completions("") == []
    assert shell.completions("query --sw") == ["--sweep"]
    assert shell.completions("set --me") == ["--method"]


def test_quotes() -> None:
    assert split("a 'b c' \"d e\"") == ["a", "b c", "d e"]


def test_a_pipe_gets_plain_text_a_row_a_line(les_miserables: Path) -> None:
    found = run(
        "communities", "query", les_miserables, "--seed", "Enjolras", "--seed", "Gavroche",
        FORCE_COLOR="", TERM="xterm-256color",
    )  # fmt: skip
    assert found.returncode == 0 and "\x1b" not in found.stdout + found.stderr
    assert len(found.stdout.splitlines()) == 51
