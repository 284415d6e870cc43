"""Lines typed one after another, and what they showed."""

from __future__ import annotations

import io
from copy import copy
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from graphagg.cli.shell.session import Parts


@dataclass(frozen=True)
class Talk:
    """A session after some lines, and what the last of them showed."""

    session: Any
    shown: Parts

    @property
    def view(self) -> Any:
        return self.session.view


def text_of(talked: Talk) -> str:
    """What a line showed, as text."""
    console = Console(file=io.StringIO(), width=400, highlight=False)
    for shown in talked.shown:
        console.print(shown, markup=not isinstance(shown, str))
    return console.file.getvalue()  # type: ignore[attr-defined]


def fresh(shell: Any) -> Any:
    """A session of its own that shares the answers."""
    session = copy(shell)
    session.past = list(shell.past)
    return session


def talk(shell: Any, *lines: str) -> Talk:
    """The session after some lines; the given one stays as it is."""
    session, shown = fresh(shell), ()
    for line in lines:
        shown = session.run(line)
    return Talk(session, shown)
