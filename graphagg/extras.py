"""Finds the extra of graphagg that provides a missing package, and the command to install it."""

from __future__ import annotations

import re
import sys

_NAME = "graphagg"
_PACKAGES = {
    "faiss": "faiss-cpu",
    "grpc": "grpcio",
    "grpc_status": "grpcio-status",
    "sklearn": "scikit-learn",
    "Stemmer": "PyStemmer",
    "anydoc": "firecrawl-anydoc",
}
"""Module name to package name, where they differ by more than case and hyphens."""
_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*;.*\bextra\s*==\s*['\"]([\w.-]+)['\"]")


def _extras() -> dict[str, set[str]]:
    """Return the normalized package names of each extra; empty if graphagg is not installed."""
    from importlib.metadata import PackageNotFoundError, requires

    packages: dict[str, set[str]] = {}
    try:
        for match in map(_REQUIREMENT.match, requires(_NAME) or ()):
            if match:
                packages.setdefault(match[2], set()).add(_normal(match[1]))
    except PackageNotFoundError:
        pass
    return packages


def packages_of(extra: str) -> frozenset[str]:
    """Return the normalized package names of an extra; empty if graphagg is not installed."""
    return frozenset(_extras().get(extra, ()))


def extra_with(module: str) -> str:
    """Return the smallest extra that provides the package of a module; "" if none does."""
    name = module.partition(".")[0]
    package = _normal(_PACKAGES.get(name, name))
    sizes = [(len(packages), extra) for extra, packages in _extras().items() if package in packages]
    return min(sizes, default=(0, ""))[1]


def brings(extra: str, module: str) -> bool:
    """Check if an extra provides the package of a module; True if the extras are unknown."""
    packages = packages_of(extra)
    return not packages or _normal(_PACKAGES.get(module, module)) in packages


def is_of_python(module: str) -> bool:
    """Check if a module is part of the standard library, so that no package installs it."""
    return module in sys.stdlib_module_names


def install_line(package: str, extra: str | None = None) -> str:
    """Return the `pip` command that installs a package, or the extra that provides it."""
    if extra is None or not brings(extra, package):
        return f"pip install {_PACKAGES.get(package, package)}"
    # graphagg is already installed, so pip does not look it up in a package index
    return f'pip install "{_NAME}[{extra}]"'


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
