"""The `graphagg` command."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated

import typer

from graphagg import __version__
from graphagg.cli import artifact, build, communities, demo, embed, mcp, predict, serve, train
from graphagg.cli.options import command
from graphagg.cli.output.console import err
from graphagg.cli.rag import commands as rag
from graphagg.cli.rag import dedup
from graphagg.errors import GraphAggError

_INTERRUPTED = 130  # typer's exit code for Ctrl-C

app = typer.Typer(
    name="graphagg",
    help="Graph processing and retrieval at linear cost.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(rag.app, name="rag")
app.add_typer(communities.app, name="communities")
app.add_typer(embed.app, name="embed")
app.command("demo", epilog=demo.EPILOG)(demo.demo)
app.command("dedup", epilog=dedup.EPILOG)(command(dedup.dedup))
app.command("build", epilog=build.EPILOG)(build.build)
app.command("train", epilog=train.EPILOG)(train.train)
app.command("predict", epilog=predict.EPILOG)(predict.predict)
app.command("mcp", epilog=mcp.EPILOG)(mcp.mcp)
app.command("serve", epilog=serve.EPILOG)(serve.serve)
app.command("info", epilog=artifact.INFO)(artifact.info)
app.command("verify", epilog=artifact.VERIFY)(artifact.verify)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Graph processing and retrieval at linear cost."""


def main() -> None:
    """Run the command line; exit code 2 for bad input, 1 for a failed run, 130 for Ctrl-C."""
    # PyTorch's word to those who call `torch.jit`: PyTorch Geometric does, when it is imported.
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)")
    try:
        app(prog_name="graphagg")  # completion goes by this name
    except GraphAggError as error:
        sys.exit(_fail(str(error), error.exit_code))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or 'file system'}: {error.strerror or error}", 1))
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            _fail("interrupted; nothing that was there before has changed", _INTERRUPTED)
        raise


def _fail(message: str, code: int) -> int:
    err.print(f"error: {message}", style="bold red", markup=False, soft_wrap=True)
    return code
