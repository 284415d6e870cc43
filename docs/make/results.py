"""The pages of results that are made from the JSON which benchmarks keep in docs/results."""

from __future__ import annotations

from pathlib import Path


def pages(folder: Path) -> dict[str, str]:
    """The Markdown of the made pages, by their place in the site."""
    return {}
