"""Packages whose modules load when one of their names is first used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

from graphagg.errors import MissingExtra


def attach(
    package: str, names: Mapping[str, Sequence[str]], extra: str | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Make `__getattr__`, `__dir__` and `__all__` of a package.

    Type checkers read the same names from imports under `TYPE_CHECKING`.

    Args:
        package: its `__name__`.
        names: the names that each of its modules defines, by module relative to the package.
        extra: the extra of graphagg that brings the packages which the modules import.

    Raises:
        MissingExtra: by `__getattr__`, where such a package is not installed.
    """
    modules = {name: module for module, members in names.items() for name in members}

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return getattr(import_module(f"{package}.{modules[name]}"), name)
        except ModuleNotFoundError as error:
            missing = (error.name or "").partition(".")[0]
            if extra is None or missing in ("", "graphagg"):
                raise
            raise MissingExtra(missing, extra) from None

    return load, lambda: sorted(modules), sorted(modules)
