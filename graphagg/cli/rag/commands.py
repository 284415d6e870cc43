"""`graphagg rag`: build, change, search and evaluate a passage index.

Only the file of the command that runs is imported.
"""

from __future__ import annotations

from importlib import import_module

import typer

from graphagg.cli.shell import EXTRA

FILES = {
    "index": "index", "add": "changes", "sync": "sync", "update": "changes", "delete": "changes",
    "compact": "changes", "merge": "changes", "search": "search", "explain": "search",
    "shell": "search", "warm": "search", "graph": "explore", "map": "explore", "similar": "explore",
    "answer": "answer", "eval": "evaluation",
}  # fmt: skip
"""The file of each command; its `COMMANDS` has the function and the end of its help."""


def make_app(only: str | None = None) -> typer.Typer:
    """All commands, or one by name."""
    app = typer.Typer(help="Multi-hop passage retrieval without an LLM.", no_args_is_help=True)
    app.callback()(lambda: None)  # without it typer drops the name of a single command
    for name, file in FILES.items():
        if only in (None, name):
            function, epilog = import_module(f"graphagg.cli.rag.{file}").COMMANDS[name]
            settings = EXTRA if name == "shell" else None
            app.command(name, epilog=epilog, context_settings=settings)(function)
    return app
