"""A prompt for the commands of one index, which stays open with its models.

A line is a command without `graphagg` and the index; any other line is a question.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from cyclopts import App, CycloptsError
from rich.markup import escape
from rich.table import Table

from graphagg.cli.failures import FAILURES, failure, with_flags
from graphagg.cli.folders import kept_open
from graphagg.cli.output.console import err, out
from graphagg.errors import GraphAggError, InvalidParameter

_OWN = ("help", "set", "quit")


class Shell:
    """Runs lines as commands of a group.

    Args:
        group: the group; the shell has its commands whose first argument is a directory.
        directory: the index.
        asks: name of the command that answers questions.
        words: makes the arguments of that command from a line.
        options: options of that command for each question; `set` changes them.
    """

    def __init__(
        self, group: App, directory: str, asks: str,
        words: Callable[[str], list[str]], options: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.group = group
        self.commands = {
            name: arguments
            for name, command in group.resolved_commands().items()
            if name != "shell" and name[:1] != "-"
            for arguments in [command.assemble_argument_collection(parse_docstring=False)]
            if arguments and arguments[0].field_info.name == "directory"
        }
        self._directory, self._asks, self._words = directory, asks, words
        self.left = False
        self._set(list(options))

    def run(self, line: str) -> None:
        """Run a line and print its answer; raises `InvalidParameter`, and errors of the command."""
        name, _, rest = line.strip().partition(" ")
        if name in self.commands:
            self._call(name, split(rest))
        elif name not in _OWN:
            self._call(self._asks, [*self._words(line.strip()), *self.options])
        elif name == "help":
            self._help(rest.strip())
        elif name == "set":
            self._set(split(rest))
        else:
            self.left = True

    def _call(self, name: str, words: Sequence[str]) -> None:
        try:
            self.group([name, self._directory, *words], result_action="return_value")
        except CycloptsError as error:
            raise InvalidParameter(f"{error}; see help {name}") from None
        except GraphAggError as error:
            error.args = (with_flags(str(error), self.group, [name]),)
            raise

    def _set(self, options: list[str]) -> None:
        """Use these options for all further questions."""
        try:
            words = [self._asks, self._directory, *self._words("question"), *options]
            self.group.parse_args(words)
        except CycloptsError as error:
            raise InvalidParameter(f"{error}; see help {self._asks}") from None
        self.options = options

    def _help(self, name: str) -> None:
        if name in self.commands:
            self._call(name, ["--help"])
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for each in self.commands:
            about = self.group[each].help.partition("\n\n")[0]
            table.add_row(f"[bold]{each}[/bold]", escape(about))
        table.add_row("[bold]set[/bold]", f"Options of {self._asks} that go with each question.")
        table.add_row("[bold]quit[/bold]", "Leave; so does Ctrl-D.")
        out.print("A line that begins with none of these is a question.")
        out.print(table)

    def completions(self, line: str) -> list[str]:
        """Completions of the last word: commands, and options of the line's command."""
        *before, current = line.split(" ")
        if not before:
            offered = [*self.commands, *_OWN]
        else:
            arguments = self.commands.get(before[0], self.commands[self._asks])
            offered = [name for each in arguments for name in each.names if name[:1] == "-"]
        return [word for word in offered if current and word.startswith(current)]


def split(rest: str) -> list[str]:
    """Split a line into words; raises `InvalidParameter` if a quote is not closed."""
    try:
        return shlex.split(rest)
    except ValueError as error:
        raise InvalidParameter(f"{error}; put a name with blanks in one pair of quotes") from None


def converse(
    open_index: Callable[[str], Any],
    group: str,
    asks: str,
    words: Callable[[str], list[str]],
    directory: str,
    options: Sequence[str],
    stdin: IO[str] | None = None,
) -> int:
    """Open an index and run lines until the end of the input; returns the exit code.

    A terminal shows a prompt that begins with the name of the group. From a pipe the exit code is 2
    if a line failed.
    """
    from graphagg.cli.main import app

    shell = Shell(app[group], directory, asks, words, options)
    stream, failed = stdin or sys.stdin, False
    typed = stream.isatty()
    with open_index(directory) as index, kept_open(index):
        for line in _typed(shell, f"{group}> ") if typed else stream:
            if line.strip() and not line.lstrip().startswith("# "):
                failed = not _attempt(shell, index, line) or failed
            if shell.left:
                break
    return 2 if failed and not typed else 0


def _attempt(shell: Shell, index: Any, line: str) -> bool:
    """Run a line or print its error, which never ends the shell; returns whether it succeeded."""
    try:
        index.reopen()
        shell.run(line)
        return True
    except FAILURES as error:
        message = failure(error, shell.group)[0]
    except Exception as error:  # unexpected: report it, keep the shell running
        message = f"this failed unexpectedly ({type(error).__name__}: {error}); please report it"
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    return False


def _typed(shell: Shell, prompt: str) -> Iterator[str]:
    """Lines typed until Ctrl-D; Ctrl-C clears a line, Tab completes."""
    try:
        import readline
    except ImportError:  # Windows: no completion
        pass
    else:

        def complete(text: str, state: int) -> str | None:
            offered = shell.completions(readline.get_line_buffer()[: readline.get_endidx()])
            return offered[state] if state < len(offered) else None

        readline.set_completer_delims(" \t\n")
        readline.set_completer(complete)
        is_libedit = "libedit" in (readline.__doc__ or "")
        readline.parse_and_bind("bind ^I rl_complete" if is_libedit else "tab: complete")
    while True:
        try:
            yield input(prompt)
        except KeyboardInterrupt:
            sys.stdout.write("\n")
        except EOFError:
            return
