"""The `graphagg` command. Only the file of the command that runs is imported."""

from __future__ import annotations

import sys
import warnings

from cyclopts import App

from graphagg import __version__
from graphagg.cli.failures import FAILURES, failure
from graphagg.cli.options import heading
from graphagg.cli.output.console import err
from graphagg.cli.settings import use_file

_GROUPS = {
    "rag": "Multi-hop passage retrieval without an LLM.",
    "communities": "Communities around seed vertices, in milliseconds.",
    "embed": "Vectors of vertices, from pieces of a graph.",
    "job": "Jobs of Spark, as spark-submit runs them.",
}
_COMMANDS = {
    "demo": "demo:demo",
    "warm": "demo:warm",
    "dedup": "rag.dedup:dedup",
    "build": "builds.recipe:build",
    "train": "train:train",
    "predict": "predict:predict",
    "mcp": "serving.mcp:mcp",
    "serve": "serving.serve:serve",
    "info": "artifact:info",
    "verify": "artifact:verify",
    "push": "artifact:push",
    "pull": "artifact:pull",
    "rag index": "builds.jobs:build_passages",
    "rag add": "rag.changes:add",
    "rag sync": "rag.sync:sync",
    "rag update": "rag.changes:update",
    "rag delete": "rag.changes:delete",
    "rag compact": "rag.changes:compact",
    "rag merge": "rag.changes:merge",
    "rag search": "rag.search:search",
    "rag explain": "rag.search:explain",
    "rag shell": "rag.search:shell",
    "rag warm": "rag.search:warm",
    "rag graph": "rag.explore:graph",
    "rag map": "rag.explore:map_",
    "rag similar": "rag.explore:similar",
    "rag answer": "rag.answer:answer",
    "rag eval": "rag.evaluation:evaluate",
    "communities build": "builds.jobs:build_communities",
    "communities query": "communities:query",
    "communities structure": "communities:structure",
    "communities shell": "communities:shell",
    "communities eval": "communities:evaluate",
    "communities detect": "communities:detect_all",
    "communities add": "communities:add",
    "communities delete": "communities:delete",
    "communities merge": "communities:merge",
    "embed build": "builds.jobs:build_embed",
    "embed add": "embed:add",
    "embed neighbors": "embed:neighbors",
    "embed export": "embed:export",
    "job communities": "builds.jobs:job_communities",
    "job embed": "builds.jobs:job_embed",
    "job passages": "builds.jobs:job_passages",
    "job query_communities": "builds.jobs:job_query_communities",
    "job neighbors": "builds.jobs:job_neighbors",
    "job retrieve": "builds.jobs:job_retrieve",
}
"""The file of each command and its function."""


def make_app(name: str, text: str = "", version: str | None = None) -> App:
    """An application of cyclopts as all commands run in."""
    return App(
        name,
        text,
        version=version,
        version_flags=("--version",) if version else (),
        config=use_file,
        group_parameters=heading("Options"),
        help_format="plaintext",
        exit_on_error=False,
        print_error=False,
        suppress_keyboard_interrupt=False,
    )


app = make_app("graphagg", "Graph processing and retrieval at linear cost.", version=__version__)
app.register_install_completion_command()


@app.command(name="--show-completion")
def _show_completion() -> None:
    """Show completion for the current shell, to copy it or customize the installation."""
    sys.stdout.write(app.generate_completion())


for _name, _text in _GROUPS.items():
    app.command(make_app(_name, _text))
for _name, _place in _COMMANDS.items():
    _group, _, _leaf = _name.rpartition(" ")
    (app[_group] if _group else app).command(f"graphagg.cli.{_place}", name=_leaf)


def main() -> None:
    """Run the command line; exit code 2 for bad input, 1 for a failed run, 130 for Ctrl-C."""
    # PyTorch Geometric calls `torch.jit` when it is imported, and PyTorch warns.
    warnings.filterwarnings("ignore", r"`torch\.jit\.\w+` is (deprecated|not supported)")
    warnings.formatwarning = lambda message, *_: f"warning: {message}\n"
    called = app.parse_commands([word for word in sys.argv[1:] if word[:1] != "-"])[1][-1]
    try:
        if called.default_command is None and "--version" not in sys.argv:
            called.resolved_commands()  # else the help would not describe them
        app(sys.argv[1:])
    except FAILURES as error:
        message, code = failure(error, app, sys.argv[1:])
        err.print(f"error: {message}", style="bold red", markup=False, soft_wrap=True)
        sys.exit(code)
