"""The `graphagg` command."""

from __future__ import annotations

import sys
from typing import Annotated

import click
import typer

from graphagg import __version__
from graphagg.cli import artifact, build, demo, rag
from graphagg.cli.console import err
from graphagg.errors import GraphAggError

app = typer.Typer(
    name="graphagg",
    help="Graph processing and retrieval at linear cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(rag.app, name="rag")
app.command("demo")(demo.demo)
app.command("build")(build.build)
app.command("info")(artifact.info)
app.command("verify")(artifact.verify)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Graph processing and retrieval at linear cost."""


def main() -> None:
    """Run the command line; exit code 2 for bad input, 1 for a failed run, 130 for Ctrl-C."""
    sys.exit(_run())


def _run() -> int:
    try:
        result = app(standalone_mode=False)
    except GraphAggError as error:
        return _fail(str(error), error.exit_code)
    except click.exceptions.Abort:
        return _fail("interrupted; nothing that was there before has changed", 130)
    except KeyboardInterrupt:
        return _fail("interrupted; nothing that was there before has changed", 130)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        return _fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1)
    return result if isinstance(result, int) else 0


def _fail(message: str, code: int) -> int:
    err.print(f"error: {message}", style="bold red", markup=False, soft_wrap=True)
    return code
