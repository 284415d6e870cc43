"""One line in, one outcome out; and the words that complete a line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

from graphagg.cli.shell.commands import (
    Candidates,
    Command,
    Commands,
    Outcome,
    common_commands,
    find_command,
)
from graphagg.cli.shell.history import History
from graphagg.cli.shell.words import Word, quote, quoted, scan, split

View = TypeVar("View")

_MOST = 50
"""Candidates that are offered at once."""


class Interpreter(Protocol[View]):
    """The interface between a shell and its prompt."""

    @property
    def commands(self) -> Commands[View]:
        """The commands by name, in the order of the help."""

    @property
    def start(self) -> History[View]:
        """Where a session begins."""

    def run(self, history: History[View], line: str) -> Outcome[View]:
        """Do what a line says; raises `GraphAggError` and leaves the session as it was."""

    def status(self, view: View) -> str:
        """The current view, in one line."""

    def prepare(self) -> None:
        """Load what the first answer would wait for; called beside the first line's typing."""


class CommandInterpreter(Generic[View]):
    """Lines that are a command and its words.

    Args:
        start: where a session begins.
        commands: by name.
        show: gives what a view shows, for an empty line and for `undo`.
    """

    def __init__(
        self,
        start: View,
        commands: Commands[View],
        show: Callable[[History[View]], Outcome[View]],
    ) -> None:
        self.start: History[View] = History(start)
        self._show = show
        undo: Command[View] = Command("", "go back by one step", self._undo)
        self.commands: Commands[View] = {
            **commands,
            "undo": undo,
            **common_commands(lambda: self.commands),
        }

    def run(self, history: History[View], line: str) -> Outcome[View]:
        """Do what a line says; an empty one shows again what is looked at.

        Raises:
            InvalidParameter: no such command, or words that it does not take.
            And what the command raises.
        """
        words = split(line)
        if not words:
            return self._show(history)
        return find_command(self.commands, words[0]).run(history, words[1:])

    def prepare(self) -> None:
        """There is nothing to load."""

    def _undo(self, history: History[View], words: Sequence[str]) -> Outcome[View]:
        return self._show(history.undo())


def complete(
    commands: Commands[View], history: History[View], line: str
) -> tuple[int, Candidates, bool]:
    """The words that complete a line.

    Args:
        commands: of the shell.
        history: the session.
        line: the text before the cursor.

    Returns:
        Where the word begins that a candidate replaces; the candidates, quoted where they must
        be; and whether a path is wanted there instead.
    """
    words = list(scan(line))
    within = bool(words) and (bool(words[-1].quote) or not line[-1].isspace())
    current = words.pop() if within else Word("", len(line))
    if not words:
        names = [(name, command.summary) for name, command in commands.items()]
        return current.start, [each for each in names if each[0].startswith(current.text)], False
    chosen = commands.get(words[0].text)
    if chosen is None:
        return current.start, (), False
    if chosen.files:
        return current.start, (), True
    mark = current.quote
    candidates = [
        (quoted(text, mark) if mark else quote(text), remark)
        for text, remark in chosen.complete(history, current.text)[:_MOST]
    ]
    return current.start, candidates, False
