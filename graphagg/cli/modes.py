"""How command-line options take a retrieval mode."""

from __future__ import annotations

from typing import Any

from graphagg.rag.config.modes import MODES, mode_named

MODE_OPTION: dict[str, Any] = {"parser": mode_named, "metavar": f"[{'|'.join(MODES)}]"}
"""Arguments of `typer.Option`; former names of modes are taken too."""
