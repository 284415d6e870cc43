"""A prompt over the commands of one index: a line is a command without `graphagg` and the index.

A line that begins with no command is a question. The index stays open, with its models.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from typing import IO, Any

import typer
from rich.markup import escape
from rich.table import Table

from graphagg.cli.folders import kept_open
from graphagg.cli.options import with_flags
from graphagg.cli.output.console import err, out
from graphagg.errors import GraphAggError, InvalidParameter

EXTRA: dict[str, Any] = {"ignore_unknown_options": True, "allow_extra_args": True}
"""Settings of a command that passes options on to questions: its context has them as `args`."""
_INTERRUPTED = 130  # what a command gives back after Ctrl-C
_OWN = ("help", "set", "quit")
Refused: Any = typer.BadParameter.__mro__[2]
"""The error of words that a command does not take; typer brings its own class of it."""


class Shell:
    """Runs lines by the commands of a group.

    Args:
        commands: by name; those that take a directory first are offered.
        directory: the index.
        asks: name of the command that answers a question.
        words: makes the arguments of that command from a line.
        options: of that command, which go with each question.

    Attributes:
        options: changed by `set`.
        left: whether `quit` was typed.

    Raises:
        InvalidParameter: the options are none of the command.
    """

    def __init__(
        self, commands: typer.Typer, directory: PathLike[str], asks: str,
        words: Callable[[str], list[str]], options: Sequence[str] = (),
    ) -> None:  # fmt: skip
        group: Any = typer.main.get_command(commands)
        self.commands: dict[str, Any] = {
            name: command
            for name, command in group.commands.items()
            if name != "shell" and any(each.name == "directory" for each in command.params[:1])
        }
        self._directory, self._asks, self._words = str(directory), asks, words
        self.left = False
        self._set(list(options))

    def run(self, line: str) -> None:
        """Run a line, which prints its answer.

        Raises:
            InvalidParameter: the command does not take these words.
            GraphAggError: what the command raises.
        """
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
        command = self.commands[name]
        try:
            code = command.main([self._directory, *words], prog_name=name, standalone_mode=False)
        except Refused as error:
            raise InvalidParameter(f"{error.format_message()}; see help {name}") from None
        except GraphAggError as error:
            error.args = (with_flags(str(error), command),)
            raise
        except typer.Abort:
            code = _INTERRUPTED
        if code == _INTERRUPTED:
            raise KeyboardInterrupt

    def _set(self, options: list[str]) -> None:
        """Take options for each question from now on; without any they are dropped."""
        try:
            words = [self._directory, *self._words("question"), *options]
            self.commands[self._asks].make_context(self._asks, words)
        except Refused as error:
            raise InvalidParameter(f"{error.format_message()}; see help {self._asks}") from None
        self.options = options

    def _help(self, name: str) -> None:
        if name in self.commands:
            self._call(name, ["--help"])
            return
        table = Table(box=None, pad_edge=False, show_header=False)
        for each, command in self.commands.items():
            table.add_row(f"[bold]{each}[/bold]", escape(command.get_short_help_str(200)))
        table.add_row("[bold]set[/bold]", f"Options of {self._asks} that go with each question.")
        table.add_row("[bold]quit[/bold]", "Leave; so does Ctrl-D.")
        out.print("A line that begins with none of these is a question.")
        out.print(table)

    def completions(self, line: str) -> list[str]:
        """Words that may end a line: commands, and the options of its command."""
        *before, current = line.split(" ")
        if not before:
            offered = [*self.commands, *_OWN]
        else:
            command = self.commands.get(before[0], self.commands[self._asks])
            offered = [name for each in command.params for name in each.opts if name[:1] == "-"]
        return [word for word in offered if current and word.startswith(current)]


def split(rest: str) -> list[str]:
    """Split a line into words; raises `InvalidParameter` where a quote is not closed."""
    try:
        return shlex.split(rest)
    except ValueError as error:
        raise InvalidParameter(f"{error}; put a name with blanks in one pair of quotes") from None


def converse(shell: Shell, index: Any, name: str, stdin: IO[str] | None = None) -> int:
    """Run lines until the end of the input.

    Args:
        shell: runs them.
        index: the opened index, which all commands ask.
        name: first word of the prompt.
        stdin: source of lines; default: standard input. A terminal gets a prompt.

    Returns:
        The exit code: 0; from a pipe 2 where a command failed.
    """
    stream, failed = stdin or sys.stdin, False
    typed = stream.isatty()
    with kept_open(index):
        for line in _typed(shell, f"{name}> ") if typed else stream:
            if line.strip() and not line.lstrip().startswith("# "):
                failed = not _attempt(shell, index, line) or failed
            if shell.left:
                break
    return 2 if failed and not typed else 0


def _attempt(shell: Shell, index: Any, line: str) -> bool:
    """Run a line, or print its error; whether it succeeded. No failure ends the shell."""
    try:
        index.reopen()
        shell.run(line)
        return True
    except GraphAggError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'file system'}: {error.strerror or error}"
    except KeyboardInterrupt:
        message = "interrupted"
    except Exception as error:  # unexpected: report it, keep the shell running
        message = f"this failed unexpectedly ({type(error).__name__}: {error}); please report it"
    err.print(f"error: {message}", style="red", markup=False, soft_wrap=True)
    return False


def _typed(shell: Shell, prompt: str) -> Iterator[str]:
    """Lines that are typed until Ctrl-D; Ctrl-C clears a line, Tab completes."""
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
