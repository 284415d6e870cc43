"""Converts an error to an exit code and a message that names command-line options."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import cyclopts
from cyclopts import App, CycloptsError, MissingArgumentError

from graphagg.errors import GraphAggError, MissingExtra
from graphagg.extras import extra_with

FAILURES = (
    CycloptsError, GraphAggError, OSError, ModuleNotFoundError, KeyboardInterrupt, EOFError
)  # fmt: skip
"""Exceptions that a command may raise."""
_OPTIONS = {
    "directory": "out",
    "ratio": "split_ratio",
    "seeds": "seed",
    "vertices": "vertex",
    "tokens": "token_file",
}
"""Library parameters whose command-line options have different names."""
_PLAIN = (None, "True", "False")


def failure(error: BaseException, app: App, words: Sequence[str] = ()) -> tuple[str, int]:
    """Return the message of an error, with its notes, and the exit code."""
    if isinstance(error, ModuleNotFoundError):
        if not (extra := extra_with(error.name or "")):
            raise error
        error = MissingExtra.of(error, extra)
    message, code = str(error), 2
    if isinstance(error, MissingArgumentError) and not error.keyword:
        message = _missing(error)
    elif isinstance(error, cyclopts.UnusedCliTokensError):
        command, unused = " ".join(error.command_chain or ()), ", ".join(error.unused_tokens or ())
        message = f"{command}: unexpected argument {unused}; quote paths with spaces, or see --help"
    elif isinstance(error, cyclopts.UnknownCommandError) and words and not error.command_chain:
        groups = (name for name in app if name[0] != "-" and words[0] in app[name])
        message += "".join(f" Did you mean: graphagg {name} {words[0]}?" for name in groups)
    elif isinstance(error, GraphAggError):
        message, code = with_flags(message, app, words), error.exit_code
    elif isinstance(error, KeyboardInterrupt | EOFError):
        message, code = "interrupted; existing files have not changed", 130
    elif isinstance(error, OSError):
        message, code = f"{error.filename or 'file system'}: {error.strerror or error}", 1
    return "; ".join([message, *_notes(error)]), code


def _missing(error: MissingArgumentError) -> str:
    """What a command needs, and the first word that it did not understand."""
    command = " ".join(error.command_chain or ())
    unknown = [word for word in error.unused_tokens or () if word.startswith("-")]
    doubt = f"; it has no option {unknown[0]}" if unknown else ""
    name = error.argument.name if error.argument else "an argument"
    return f"{command} needs {name}{doubt}: see graphagg {command} --help"


def _notes(error: BaseException | None) -> Iterator[str]:
    """Yield the notes of an error and of its causes."""
    while error is not None:
        yield from getattr(error, "__notes__", ())
        error = error.__cause__ or error.__context__


def with_flags(message: str, app: App, words: Sequence[str] = ()) -> str:
    """Replace the parameters in backticks in an error message with the options of a command.

    `name`, `name=True` and `name="value"` become `--name`, `--name` and `--name value`; other names
    are unchanged. `words`, the command line, determine the command.
    """
    called = app.parse_commands(words)[1][-1]
    options = {}
    if called.default_command is not None:
        arguments = called.assemble_argument_collection(parse_docstring=False)
        options = {each.field_info.name: each for each in arguments if each.index is None}

    def translated(match: re.Match[str]) -> str:
        name, value = match[1], match[2]
        option = options.get(name) or options.get(_OPTIONS.get(name, ""))
        if option is None:
            return match[0]
        if value == "False" and option.negatives:
            return str(option.negatives[0])
        return " ".join([option.name, *([value.strip("\"'")] if value not in _PLAIN else [])])

    return re.sub(r"`(\w+)(?:=([^`]*))?`", translated, message)
