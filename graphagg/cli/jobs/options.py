"""What all jobs take. Flags come before the environment, the TOML file and the defaults.

An option `--max-piece-edges` is `GRAPHAGG_MAX_PIECE_EDGES` in the environment, and
`max_piece_edges` in the job's table of the file that `--config` names.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from graphagg.cli.jobs.log import LogLevel
from graphagg.cli.jobs.settings import use_file

Edges = Annotated[
    str, typer.Option(help="Parquet with src, dst (and weight), or text (.gz), on any Hadoop path.")
]
Out = Annotated[Path, typer.Option(help="Index folder that driver and executors share.")]
Ids = Annotated[str, typer.Option(help="Read text ids as auto, integer or string.")]
Vertices = Annotated[
    int | None, typer.Option(min=1, help="For the sizes of --dry-run: how many vertices.")
]
Force = Annotated[
    bool, typer.Option(help="Build anew also where nothing changed, or over an unfinished job.")
]
DryRun = Annotated[bool, typer.Option(help="Print the plan and the expected sizes; write nothing.")]
Level = Annotated[LogLevel, typer.Option(help="Of the job and of Spark.", case_sensitive=False)]
Json = Annotated[bool, typer.Option(help="Print JSON instead of a line.")]
Master = Annotated[
    str | None,
    typer.Option(help="Where Spark runs if not by spark-submit, e.g. local[4].  [local[*]]"),
]
Remote = Annotated[
    str | None, typer.Option(help="Spark Connect: sc://HOST:15002, or local[2] to start one here.")
]
Config = Annotated[
    Path | None,
    typer.Option(
        help="TOML file with a table for the job; flags and environment come first.",
        callback=use_file,
        is_eager=True,
    ),
]


@dataclass(frozen=True)
class Common:
    """The options that say how a job runs, not what it builds.

    Attributes:
        out: where the index goes.
        force: build anew.
        dry_run: only plan.
        level: of logging.
        json: print JSON.
        master: where Spark runs.
        remote: the Spark Connect server.
    """

    out: Path
    force: bool
    dry_run: bool
    level: LogLevel
    json: bool
    master: str | None
    remote: str | None
