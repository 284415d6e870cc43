"""Packages that load what they export at first use.

A package lists its names once, as imports for type checkers, and hands them on:

    if TYPE_CHECKING:
        from graphagg.rag.index import PassageIndex as PassageIndex

    __getattr__, __dir__, __all__ = lazy_names(__name__)

The source is read through the loader, so that this works inside a zip file as well
(`spark-submit --py-files`).
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from graphagg.errors import MissingExtra


def lazy_names(
    package: str, extra: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """The `__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: its `__name__`.
        extra: what to install where a module needs a library that is missing; None: the import
            fails with Python's own error.
    """
    homes = _homes(package)

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(homes[name]), name)
        except ModuleNotFoundError as error:
            if extra is None:
                raise
            raise MissingExtra.of(error, extra) from None

    return load, lambda: sorted({*homes, *vars(sys.modules[package])}), sorted(homes)


def _homes(package: str) -> dict[str, str]:
    """The module of each name that the package imports for type checkers."""
    spec = sys.modules[package].__spec__
    source = spec.loader.get_source(package)  # type: ignore[union-attr]  # loaders of files have it
    blocks = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    imports = (node for block in blocks for node in block.body)
    return {
        alias.name: node.module
        for node in imports
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if alias.asname == alias.name  # `X as X`: exported
    }
