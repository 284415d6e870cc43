"""`graphagg rag index`: build a passage index."""

from __future__ import annotations

from graphagg.cli.builds.passages import PassagesBuild
from graphagg.cli.builds.run import build_command

_INDEX = (
    "Example: graphagg rag index articles/ --out idx\n\n"
    "Example: graphagg rag index passages.parquet --out idx --engine spark --master local[4]"
)

COMMANDS = {"index": (build_command(PassagesBuild), _INDEX)}
