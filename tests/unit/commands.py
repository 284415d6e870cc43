"""Commands as a person and as a script run them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any

from cyclopts import App

from graphagg.cli.main import app

GRAPHAGG = [sys.executable, "-c", "from graphagg.cli.main import main; main()"]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*GRAPHAGG, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=900,
    )


@dataclass(frozen=True)
class Answer:
    """What a command gave: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The JSON of a success."""
        assert self.code == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> str:
        """The message of a refusal, on one line."""
        assert self.code == 2 and self.out == "" and "Traceback" not in self.err
        return " ".join(self.err.split())


def invoke(*words: object, of: App = app) -> Answer:
    """Run a command in this process; its errors are raised."""
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        code = of([*map(str, words)], result_action="return_value")
    return Answer(code or 0, out.getvalue(), err.getvalue())


def leaves(group: App = app, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], App]]:
    """Every command with its path."""
    for name, command in group.resolved_commands().items():
        if name[:1] != "-" and command.default_command is None:
            yield from leaves(command, (*path, name))
        elif name[:1] != "-":
            yield (*path, name), command
