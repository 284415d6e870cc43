"""Arguments and options that name the folder of an index."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from graphagg.store.locations import local_folder

LOCAL: dict[str, Any] = {"parser": local_folder, "metavar": "PATH"}
"""Settings of such an argument: `file:///folder` is understood, another scheme refused."""

Directory = Annotated[
    Path, typer.Argument(help="The index directory.", **LOCAL | {"metavar": "directory"})
]
OutDir = Annotated[Path, typer.Option("--out", help="Where the index goes.", **LOCAL)]
