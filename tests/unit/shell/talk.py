"""Lines typed one after another, and what they showed."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from graphagg.cli.shell.commands import Outcome


def text_of(outcome: Outcome[Any]) -> str:
    """What an outcome shows, as text."""
    console = Console(file=io.StringIO(), width=400, highlight=False)
    for shown in outcome.shown:
        console.print(shown, markup=not isinstance(shown, str))
    return console.file.getvalue()  # type: ignore[attr-defined]


def talk(shell: Any, *lines: str) -> Outcome[Any]:
    """The outcome of the last of some lines."""
    history, outcome = shell.start, None
    for line in lines:
        outcome = shell.run(history, line)
        history = outcome.history
    assert outcome is not None
    return outcome
