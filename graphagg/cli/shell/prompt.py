"""The prompt: lines from a terminal or a pipe, outcomes to the console."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, TypeVar

from graphagg.cli.output.console import err, print_part
from graphagg.cli.shell.commands import Outcome
from graphagg.cli.shell.history import History
from graphagg.cli.shell.interpreter import Interpreter, complete
from graphagg.errors import GraphAggError, MissingExtra

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

View = TypeVar("View")


def converse(interpreter: Interpreter[View], name: str, stdin: IO[str] | None = None) -> int:
    """Talk until the end of the input.

    Args:
        interpreter: of the shell.
        name: what the prompt begins with.
        stdin: where lines come from; default: standard input. A terminal gets a prompt.

    Returns:
        The exit code: 0; from a pipe 2 where a command failed, for a script should know.

    Raises:
        MissingExtra: standard input is a terminal and prompt_toolkit is not installed.
    """
    stream = stdin or sys.stdin
    if stream.isatty():
        now = Now(interpreter)
        ask_at_terminal(interpreter, make_session(interpreter, now), now, name)
        return 0
    return _read_script(interpreter, stream)


class Now:
    """The session as it is; the prompt's completion and status line look at it."""

    def __init__(self, interpreter: Interpreter[Any]) -> None:
        self.history: History[Any] = interpreter.start


def _read_script(interpreter: Interpreter[View], lines: Iterable[str]) -> int:
    """Commands one a line; empty lines and those that begin with # and a space say nothing."""
    history, failed = interpreter.start, False
    for line in lines:
        text = line.rstrip("\n")
        if not text.strip() or text.lstrip().startswith("# "):
            continue
        outcome = attempt(interpreter, history, text)
        failed = failed or outcome is None
        if outcome is not None:
            history = outcome.history
            if outcome.leave:
                break
    return 2 if failed else 0


def attempt(
    interpreter: Interpreter[View], history: History[View], line: str
) -> Outcome[View] | None:
    """Do what a line says and print it; None where it failed, which is printed too.

    No failure of a command ends a session: the session stays as it was before the line.
    """
    try:
        outcome = interpreter.run(history, line)
        for shown in outcome.shown:
            print_part(shown)
    except GraphAggError as error:
        _complain(str(error))
    except OSError as error:
        _complain(f"{error.filename or 'file system'}: {error.strerror or error}")
    except KeyboardInterrupt:
        _complain("interrupted; the session is as it was before")
    except Exception as error:  # a fault of the program: said, and survived
        _complain(f"this failed unexpectedly ({type(error).__name__}: {error}); please report it")
    else:
        return outcome
    return None


def _complain(message: str) -> None:
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)


# --- terminal ----------------------------------------------------------------------------------


def make_session(interpreter: Interpreter[Any], now: Now, **options: Any) -> PromptSession[str]:
    """A prompt with completion and a line that says what is looked at.

    Args:
        interpreter: of the shell.
        now: the session that completion looks at.
        options: for prompt_toolkit, such as an input and an output.
    """
    try:
        from prompt_toolkit import PromptSession
        from prompt_toolkit.completion import Completer, Completion, PathCompleter
        from prompt_toolkit.document import Document
    except ImportError:
        raise MissingExtra("prompt_toolkit", "shell") from None

    class Words(Completer):
        """Completes commands and what they take."""

        def get_completions(self, document: Document, event: Any) -> Iterator[Completion]:
            line = document.text_before_cursor
            try:
                start, candidates, path = complete(interpreter.commands, now.history, line)
            except GraphAggError:  # what is looked at has no answer: nothing to offer
                return
            if path:
                yield from PathCompleter(expanduser=True).get_completions(
                    Document(line[start:]), event
                )
            for text, remark in candidates:
                yield Completion(text, start - len(line), display_meta=remark)

    def status() -> str:
        return interpreter.status(now.history.now)

    return PromptSession(completer=Words(), bottom_toolbar=status, **options)


def ask_at_terminal(
    interpreter: Interpreter[View], session: PromptSession[str], now: Now, name: str
) -> None:
    """Ask for lines until Ctrl-D or `quit`; Ctrl-C clears the line."""
    ready = threading.Thread(target=interpreter.prepare)
    ready.start()  # while the first line is typed
    try:
        while True:
            try:
                line = session.prompt(f"{name}> ")
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            outcome = attempt(interpreter, now.history, line)
            if outcome is not None:
                now.history = outcome.history
                if outcome.leave:
                    return
    finally:
        ready.join()  # it reads the index, which is closed next
