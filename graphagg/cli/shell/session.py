"""A session: one command per line, at a terminal or from a pipe, with undo and completion.

A command is a method `do_NAME`: it takes words and returns what to print; its docstring is its
help. The method `args_NAME`, if there is one, lists words that complete an argument.
"""

from __future__ import annotations

import glob
import inspect
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import IO, ClassVar, Generic, TypeVar

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from graphagg.cli.output.console import err, print_renderable
from graphagg.cli.shell.words import Word, quote, quoted, scan, split
from graphagg.errors import GraphAggError, InvalidParameter

View = TypeVar("View")
Parts = Sequence[RenderableType]
"""Tables and lines to print, in order."""
_MOST = 50  # candidates that are offered at once


class Session(ABC, Generic[View]):
    """A session over an index.

    Args:
        start: the first view.

    Attributes:
        ALIASES: other names of commands.
        FILES: commands whose argument is a file.
        USAGE: arguments of commands, for people.
        view: the current view; `go` changes it.
        past: earlier views, the oldest first.
        left: whether the session is over.
    """

    ALIASES: ClassVar[Mapping[str, str]] = {}
    FILES: ClassVar[tuple[str, ...]] = ()
    USAGE: ClassVar[Mapping[str, str]] = {}

    def __init__(self, start: View) -> None:
        self.view, self.past, self.left = start, list[View](), False

    @abstractmethod
    def show(self, view: View) -> Parts:
        """The tables and lines of a view."""

    def prepare(self) -> None:
        """Load what the first answer would wait for; called while the first line is typed."""

    def go(self, view: View, shown: Parts | None = None) -> Parts:
        """Move to a view and show it; an error leaves the session as it was."""
        shown = self.show(view) if shown is None else shown
        if view != self.view:
            self.past.append(self.view)
            self.view = view
        return shown

    def run(self, line: str) -> Parts:
        """Run a line; an empty line shows the view again.

        Raises:
            InvalidParameter: there is no such command, or it does not take these words.
            GraphAggError: what the command raises.
        """
        words = split(line)
        if not words:
            return self.show(self.view)
        shown: Parts = getattr(self, f"do_{self.find(words[0])}")(words[1:])
        return shown

    @classmethod
    def commands(cls) -> dict[str, str]:
        """The commands with their help, in the order of the methods; `undo` and others last."""
        classes = [kind for kind in cls.__mro__ if kind not in (Session, object)] + [Session]
        return {
            name.removeprefix("do_"): (inspect.getdoc(method) or "").partition("\n")[0]
            for kind in classes
            for name, method in vars(kind).items()
            if name.startswith("do_")
        }

    def find(self, word: str) -> str:
        """The command of a word; `InvalidParameter` names the closest."""
        name = word.replace("-", "_")
        name = self.ALIASES.get(name, name)
        if name not in self.commands():
            hint = f"did you mean {near!r}? " if (near := self.closest(word, 0.5)) else ""
            raise InvalidParameter(f"{word!r} is no command; {hint}help lists them")
        return name

    def closest(self, word: str, cutoff: float) -> str | None:
        """The name of a command that is most like a word; None where none is."""
        names = [*self.commands(), *self.ALIASES]
        return next(iter(get_close_matches(word, names, 1, cutoff)), None)

    def do_undo(self, words: Sequence[str]) -> Parts:
        """Go back by one step."""
        if not self.past:
            raise InvalidParameter("there is nothing to undo; this is where the session began")
        shown = self.show(self.past[-1])
        self.view = self.past.pop()
        return shown

    def do_help(self, words: Sequence[str]) -> Parts:
        """List the commands, or describe one."""
        commands = self.commands()
        names = [self.find(expect_one(words, "a command"))] if words else commands
        table = Table(box=None, pad_edge=False, show_header=False)
        for name in names:
            usage = f"{name.replace('_', '-')} {self.USAGE.get(name, '')}".rstrip()
            table.add_row(f"[bold]{escape(usage)}[/bold]", escape(commands[name]))
        return (table,)

    def args_help(self, prefix: str) -> list[str]:
        """Complete the name of a command."""
        return list(self.commands())

    def do_quit(self, words: Sequence[str]) -> Parts:
        """Leave; so does Ctrl-D."""
        self.left = True
        return ()

    def complete(self, line: str) -> tuple[int, list[str]]:
        """Complete a line.

        Args:
            line: the text before the cursor.

        Returns:
            Position of the word that a candidate replaces, and the candidates, quoted where they
            must be.
        """
        words = list(scan(line))
        within = bool(words) and (bool(words[-1].quote) or not line[-1].isspace())
        current = words.pop() if within else Word("", len(line))
        names = [name.replace("_", "-") for name in self.commands()]
        if not words:
            return current.start, [name for name in names if name.startswith(current.text)]
        command = self.ALIASES.get(words[0].text, words[0].text).replace("-", "_")
        if command in self.FILES:
            offered = sorted(glob.glob(glob.escape(current.text) + "*"))
        else:
            offered = getattr(self, f"args_{command}", lambda prefix: [])(current.text)
        mark = current.quote
        matches = [text for text in offered if text.casefold().startswith(current.text.casefold())]
        return current.start, [quoted(t, mark) if mark else quote(t) for t in matches[:_MOST]]


def attempt(session: Session[View], line: str) -> bool:
    """Run a line and print what it shows, or its error; whether it succeeded.

    No failure of a command ends a session: its view stays as it was before the line.
    """
    try:
        for shown in session.run(line):
            print_renderable(shown)
        return True
    except GraphAggError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'file system'}: {error.strerror or error}"
    except KeyboardInterrupt:
        message = "interrupted; the session is as it was before"
    except Exception as error:  # unexpected: report it, keep the shell running
        message = f"this failed unexpectedly ({type(error).__name__}: {error}); please report it"
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    return False


def converse(session: Session[View], name: str, stdin: IO[str] | None = None) -> int:
    """Run lines until the end of the input.

    Args:
        session: the shell.
        name: first word of the prompt.
        stdin: source of lines; default: standard input. A terminal gets a prompt.

    Returns:
        The exit code: 0; from a pipe 2 where a command failed.
    """
    stream, failed = stdin or sys.stdin, False
    if stream.isatty():
        ready = threading.Thread(target=session.prepare)
        ready.start()  # while the first line is typed
        for line in _typed(session, f"{name}> "):
            attempt(session, line)
        ready.join()  # it reads the index, which is closed next
        return 0
    for line in _script(stream):
        failed = not attempt(session, line) or failed
        if session.left:
            break
    return 2 if failed else 0


def _script(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a script without empty lines and comments, which begin with `# `."""
    for line in lines:
        if line.strip() and not line.lstrip().startswith("# "):
            yield line.rstrip("\n")


def _typed(session: Session[View], prompt: str) -> Iterator[str]:
    """Lines that are typed until Ctrl-D or `quit`; Ctrl-C clears a line, Tab completes."""
    try:
        import readline
    except ImportError:  # Windows: no completion
        pass
    else:
        readline.set_completer_delims(" \t\n")
        readline.set_completer(Completer(session))
        is_libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    while not session.left:
        try:
            yield input(prompt)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
        except EOFError:
            return


class Completer:
    """Completes the line of readline from a session."""

    def __init__(self, session: Session[View]) -> None:
        self._session = session
        self._matches: list[str] = []

    def __call__(self, text: str, state: int) -> str | None:
        """Match number `state` for the last word of the line, `text`."""
        import readline

        if state == 0:
            self._matches = self.matches(readline.get_line_buffer()[: readline.get_endidx()], text)
        return self._matches[state] if state < len(self._matches) else None

    def matches(self, line: str, text: str) -> list[str]:
        """Replacements of `text`, the end of a line after its last blank, also within quotes."""
        try:
            start, candidates = self._session.complete(line)
        except GraphAggError:  # the current view has no answer: nothing to offer
            return []
        typed = len(line) - len(text) - start  # of a quoted word, before its last blank
        return [candidate[typed:] for candidate in candidates]


def expect_one(words: Sequence[str], what: str) -> str:
    """Take the only word; raises `InvalidParameter` if there is none or more."""
    if len(words) != 1:
        given = f"{len(words)} words are given" if words else "nothing is given"
        raise InvalidParameter(f"{given}, wanted {what}; put a name with spaces in quotes")
    return words[0]


def expect_count(words: Sequence[str], what: str, default: int | None, most: int) -> int:
    """Read a number from 1 to `most`; the default where no word is given."""
    if not words and default is not None:
        return default
    word = expect_one(words, what)
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:12]) <= most):
        raise InvalidParameter(f"{word!r} is given, wanted {what}: a number from 1 to {most:,}")
    return int(word)
