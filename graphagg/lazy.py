"""Packages that load the names they export at first use, by `lazy_loader`.

A package lists its names once, as imports for type checkers, and hands them on:

    if TYPE_CHECKING:
        from graphagg.rag.index import PassageIndex as PassageIndex

    __getattr__, __dir__, __all__ = lazy_names(__name__)
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from typing import Any

import lazy_loader

from graphagg.errors import MissingExtra

_ROOT = "graphagg"


def lazy_names(
    package: str, extra: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Attach the names that a package imports for type checkers.

    The source comes from the import system, so that this works inside a zip file as well
    (`spark-submit --py-files`).

    Args:
        package: its `__name__`.
        extra: the extra of graphagg to install where a module needs a library that is missing;
            None: the import fails with Python's own error.

    Returns:
        `__getattr__`, `__dir__` and `__all__` of the package.
    """
    loader: Any = sys.modules[package].__spec__.loader  # type: ignore[union-attr]  # it is loaded
    names: dict[str, list[str]] = {}
    for block in ast.parse(loader.get_source(package)).body:
        for node in block.body if isinstance(block, ast.If) else ():
            if isinstance(node, ast.ImportFrom) and node.module:
                module = names.setdefault(node.module.removeprefix(f"{_ROOT}."), [])
                module += [alias.name for alias in node.names if alias.asname]
    load, listed, exported = lazy_loader.attach(_ROOT, submod_attrs=names)

    def attribute(name: str) -> Any:
        if name not in exported:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return load(name)
        except ModuleNotFoundError as error:
            if extra is None:
                raise
            raise MissingExtra.of(error, extra) from None

    return attribute, listed, exported
