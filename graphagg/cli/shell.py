"""A prompt for one index, which stays open with its models: each line is answered."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

from graphagg.cli.failures import FAILURES, failure
from graphagg.cli.output.console import err


def converse(answer: Callable[[str], None], prompt: str) -> int:
    """Answer lines of standard input until it ends; returns the exit code.

    A terminal shows the prompt; Ctrl-C clears a line, Ctrl-D leaves. An error is printed, and the
    next line is read; from a pipe the exit code is then 2.
    """
    from graphagg.cli.main import app

    failed, typed = False, sys.stdin.isatty()
    for line in _typed(prompt) if typed else sys.stdin:
        try:
            answer(line.strip())
        except FAILURES as error:
            failed = True
            message = failure(error, app)[0]
            err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    return 2 if failed and not typed else 0


def _typed(prompt: str) -> Iterator[str]:
    """Lines that are typed, until Ctrl-D."""
    with suppress(ImportError):  # lines can be edited and repeated; Windows has no readline
        import readline  # noqa: F401
    while True:
        try:
            yield input(prompt)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
        except EOFError:
            return
