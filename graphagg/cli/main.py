"""The `graphagg` command. It imports only the module of the command that runs."""

from __future__ import annotations

import os
import sys
import warnings

from graphagg import __version__
from graphagg.cli.failures import FAILURES, failure, with_flags
from graphagg.cli.options import build_on_spark, fill_options, make_app
from graphagg.cli.output.console import err

# Let OpenMP threads sleep while they wait. By default they spin; with a small matrix and a busy
# machine, this costs ten times the work itself. PyTorch and FAISS read the variable on import.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_GROUPS = {
    "rag": "Multi-hop passage retrieval without an LLM.",
    "communities": "Communities around seed vertices, in milliseconds.",
    "embed": "Node embeddings of large graphs, piece by piece.",
    "job": "Spark jobs, as `spark-submit jobs/NAME.py` runs them.",
}
_COMMANDS = {
    "demo": ("demo",),
    "train": ("train",),
    "serving.mcp": ("mcp",),
    "serving.serve": ("serve",),
    "artifact": ("info", "verify", "push", "pull"),
    "rag.changes": ("rag add", "rag update", "rag delete", "rag compact", "rag merge"),
    "rag.sync": ("rag sync",),
    "rag.search": ("rag search", "rag explain"),
    "rag.explore": ("rag graph", "rag map", "rag similar", "rag versions"),
    "rag.evaluation": ("rag eval", "rag questions"),
    "communities": tuple(
        f"communities {each}"
        for each in ("query", "structure", "detect", "add", "delete")
    ),
    "embed": ("embed add", "embed neighbors", "embed export"),
    "builds.passages": ("rag index", "job passages"),
    "builds.graphs": ("communities build", "embed build", "job communities", "job embed"),
}  # fmt: skip
"""The commands in each module; the last word is the name of the function."""
_FUNCTIONS = {
    "rag map": "map_", "rag eval": "evaluate", "rag index": "passages",
    "communities build": "communities", "embed build": "embed",
}  # fmt: skip
"""Functions whose names differ from the commands."""

app = make_app(
    "graphagg", "Graph processing and retrieval at linear cost.",
    version=__version__, version_flags=("--version",),
)  # fmt: skip
app.register_install_completion_command()


for _name, _text in _GROUPS.items():
    app.command(make_app(_name, _text, version_flags=()))
app["job"].config = (build_on_spark, fill_options)
for _file, _names in _COMMANDS.items():
    for _name in _names:
        _group, _, _leaf = _name.rpartition(" ")
        _parent = app[_group] if _group else app
        _parent.command(f"graphagg.cli.{_file}:{_FUNCTIONS.get(_name, _leaf)}", name=_leaf)


def main(*first: str) -> None:
    """Run the command line; `first` are words to put before its arguments.

    The exit code is 2 for bad input, 1 for a failed run, 130 for Ctrl-C.
    """
    # PyTorch Geometric calls `torch.jit` on import, and PyTorch warns about it.
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)")
    words = [*first, *sys.argv[1:]]
    warnings.formatwarning = lambda text, *_: f"warning: {with_flags(str(text), app, words)}\n"
    try:
        called = app.parse_commands([word for word in words if word[:1] != "-"])[1][-1]
        if called.default_command is None and "--version" not in words:
            called.resolved_commands()  # otherwise the help has no descriptions of subcommands
        app(words)
    except FAILURES as error:
        message, code = failure(error, app, words)
        if words[0] == "job":
            from graphagg.cli.builds.log import log_failure

            log_failure(words[1], f"{type(error).__name__} error: {message}")
        else:
            err.print(f"error: {message}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(code)
