"""The `graphagg` command. Only the file of the command that runs is imported."""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Annotated, Any

import typer

from graphagg import __version__
from graphagg.cli.options import command, with_flags
from graphagg.cli.output.console import err
from graphagg.errors import GraphAggError

_INTERRUPTED = 130  # typer's exit code for Ctrl-C
_GROUPS = {
    "rag": "rag.commands", "communities": "communities", "embed": "embed", "job": "builds.jobs",
}  # fmt: skip
"""The file of each group of commands, which has an `app`."""
_COMMANDS = {
    "demo": "demo", "warm": "demo", "dedup": "rag.dedup", "build": "builds.recipe",
    "train": "train", "predict": "predict", "mcp": "serving.mcp", "serve": "serving.serve",
    "info": "artifact", "verify": "artifact", "push": "artifact", "pull": "artifact",
}  # fmt: skip
"""The file of each command, which has a function of its name."""


def make_app(only: str | None = None, command_of_rag: str | None = None) -> typer.Typer:
    """Make the command line, or `only` one command or group; of `rag`, `command_of_rag`."""
    app = typer.Typer(
        name="graphagg",
        help="Graph processing and retrieval at linear cost.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.callback()(_root)
    for name, module in _GROUPS.items():
        if only in (None, name):
            file = _file(module)
            app.add_typer(file.make_app(command_of_rag) if name == "rag" else file.app, name=name)
    for name, module in _COMMANDS.items():
        if only in (None, name):
            file = _file(module)
            epilog = getattr(file, name.upper(), None) or file.EPILOG
            function = getattr(file, name)
            app.command(name, epilog=epilog)(command(function) if name == "dedup" else function)
    return app


def _file(name: str) -> Any:
    return import_module(f"graphagg.cli.{name}")


def __getattr__(name: str) -> typer.Typer:
    """`app` with all commands, made at its first use."""
    if name == "app":
        return make_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Graph processing and retrieval at linear cost."""


def main() -> None:
    """Run the command line; exit code 2 for bad input, 1 for a failed run, 130 for Ctrl-C."""
    # PyTorch Geometric calls `torch.jit` when it is imported, and PyTorch warns.
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)")
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    asked, inner = (*sys.argv[1:3], None, None)[:2]
    try:
        of_rag = inner if asked == "rag" and inner in _file("rag.commands").FILES else None
        app = make_app(asked if asked in _GROUPS or asked in _COMMANDS else None, of_rag)
        app(prog_name="graphagg")  # completion goes by this name
    except GraphAggError as error:
        message = with_flags(str(error), typer.main.get_command(app), sys.argv[1:])
        sys.exit(_fail(message, error.exit_code))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1))
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            notes = "".join(f"; {note}" for note in _notes(end))
            _fail(f"interrupted; nothing that was there before has changed{notes}", _INTERRUPTED)
        raise


def _notes(error: BaseException | None) -> list[str]:
    """The notes of an error and of its causes."""
    notes: list[str] = []
    while error is not None:
        notes += getattr(error, "__notes__", [])
        error = error.__cause__ or error.__context__
    return notes


def _fail(message: str, code: int) -> int:
    err.print(f"error: {message}", style="bold red", markup=False, soft_wrap=True)
    return code
