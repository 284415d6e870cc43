"""Lazy imports: a package loads each name that it exports at its first use.

A package lists its names once, as imports that only type checkers run. They do not see
`__getattr__`, so they still report names that do not exist:

    if TYPE_CHECKING:
        from graphagg.rag.index import PassageIndex as PassageIndex
    else:
        __getattr__, __dir__, __all__ = lazy_names(__name__)
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from graphagg.errors import MissingExtra


def renamed(module: str, old: str, new: str) -> Any:
    """Return the value of a public name that was renamed, with a deprecation warning."""
    text = f"{module}.{old} is now {new}; the old name will be removed in the next version"
    warnings.warn(text, DeprecationWarning, stacklevel=3)
    return getattr(sys.modules[module], new)


def lazy_names(
    package: str, extra: str | None = None, old: Mapping[str, str] = MappingProxyType({})
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` for the names imported for type checkers.

    The source comes from the import system, so this works inside a zip file (spark-submit). If a
    library is missing, the error names `extra`; if that is None, Python's own error is raised.
    `old` maps names of the previous version to the current names.
    """
    loader: Any = sys.modules[package].__spec__.loader  # type: ignore[union-attr]  # it is loaded
    modules: dict[str, str] = {}
    for block in ast.parse(loader.get_source(package)).body:
        for node in block.body if isinstance(block, ast.If) else ():
            if isinstance(node, ast.ImportFrom) and node.module:
                modules |= {alias.name: node.module for alias in node.names if alias.asname}

    def attribute(name: str) -> Any:
        if name in old:
            return renamed(package, name, old[name])
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            value = getattr(import_module(modules[name]), name)
        except ModuleNotFoundError as error:
            if extra is None:
                raise
            raise MissingExtra.of(error, extra) from None
        setattr(sys.modules[package], name, value)
        return value

    return attribute, lambda: sorted(modules), sorted(modules)
