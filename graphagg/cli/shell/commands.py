"""Commands of a shell: what a line asks for, what it changes and what it shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Generic, TypeVar

from rich.console import RenderableType
from rich.table import Table

from graphagg.cli.shell.history import History
from graphagg.errors import InvalidParameter

View = TypeVar("View")

Candidates = Sequence[tuple[str, str]]
"""Words that complete a line, best first, each with a remark."""


@dataclass(frozen=True)
class Outcome(Generic[View]):
    """The result of a command.

    Attributes:
        history: the session after it.
        shown: tables and lines to print, in order.
        leave: whether the session ends.
    """

    history: History[View]
    shown: tuple[RenderableType, ...] = ()
    leave: bool = False


def no_candidates(history: object, prefix: str) -> Candidates:
    """For arguments that cannot be completed."""
    return ()


@dataclass(frozen=True)
class Command(Generic[View]):
    """A command.

    Attributes:
        arguments: what follows its name, for people.
        summary: what it does, in a line.
        run: from the session and the words after the name to the outcome; it changes nothing.
        complete: what an argument that begins so could be.
        files: whether its argument is a file, so that paths complete it.
    """

    arguments: str
    summary: str
    run: Callable[[History[View], Sequence[str]], Outcome[View]]
    complete: Callable[[History[View], str], Candidates] = no_candidates
    files: bool = False


Commands = Mapping[str, Command[View]]


def find_command(commands: Commands[View], name: str) -> Command[View]:
    """The command of a name; `InvalidParameter` names the closest."""
    if name not in commands:
        near = get_close_matches(name, commands, 1, 0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InvalidParameter(f"{name!r} is no command; {hint}help lists them")
    return commands[name]


def common_commands(table: Callable[[], Commands[View]]) -> dict[str, Command[View]]:
    """`help` and `quit`; the table is asked for when help is."""

    def show_help(history: History[View], words: Sequence[str]) -> Outcome[View]:
        names = [expect_one(words, "a command")] if words else list(table())
        listed = Table(box=None, pad_edge=False, show_header=False)
        for name in names:
            command = find_command(table(), name)
            usage = f"{name} {command.arguments}".rstrip().replace("[", r"\[")
            listed.add_row(f"[bold]{usage}[/bold]", command.summary.replace("[", r"\["))
        return Outcome(history, (listed,))

    def leave(history: History[View], words: Sequence[str]) -> Outcome[View]:
        return Outcome(history, leave=True)

    def names(history: History[View], prefix: str) -> Candidates:
        return [
            (name, command.summary) for name, command in table().items() if name.startswith(prefix)
        ]

    return {
        "help": Command("[COMMAND]", "list the commands, or describe one", show_help, names),
        "quit": Command("", "leave; so does Ctrl-D", leave),
    }


def expect_one(words: Sequence[str], what: str) -> str:
    """The only word; `InvalidParameter` if there is none or more."""
    if len(words) != 1:
        given = f"{len(words)} words are given" if words else "nothing is given"
        raise InvalidParameter(f"{given}, wanted {what}; put a name with spaces in quotes")
    return words[0]


def expect_count(words: Sequence[str], what: str, default: int | None, most: int) -> int:
    """A number from 1 to `most`; the default where no word is given."""
    if not words and default is not None:
        return default
    word = expect_one(words, what)
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:12]) <= most):
        raise InvalidParameter(f"{word!r} is given, wanted {what}: a number from 1 to {most:,}")
    return int(word)
