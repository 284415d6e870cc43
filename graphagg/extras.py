"""Finds the extra of graphagg that provides a missing package, and how to install it."""

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
"""Package of a module, if the names differ by more than case and hyphens."""
_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*;.*\bextra\s*==\s*['\"]([\w.-]+)['\"]")


def _extras() -> dict[str, set[str]]:
    """The normalized package names of each extra; empty if graphagg is not installed."""
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
    """The normalized package names of an extra; empty if graphagg is not installed."""
    return frozenset(_extras().get(extra, ()))


def extra_with(module: str) -> str:
    """The smallest extra that provides the package of a module; empty if none does."""
    name = module.partition(".")[0]
    package = _normal(_PACKAGES.get(name, name))
    sizes = [(len(packages), extra) for extra, packages in _extras().items() if package in packages]
    return min(sizes, default=(0, ""))[1]


def brings(extra: str, module: str) -> bool:
    """Whether an extra provides the package of a module; True if extras are unknown."""
    packages = packages_of(extra)
    return not packages or _normal(_PACKAGES.get(module, module)) in packages


def is_of_python(module: str) -> bool:
    """Whether a module belongs to Python's standard library, so that no package installs it."""
    return module in sys.stdlib_module_names


def install_line(package: str, extra: str | None = None) -> str:
    """The `pip` command that installs a package or module, by the extra that provides it."""
    if extra is None or not brings(extra, package):
        return f"pip install {_PACKAGES.get(package, package)}"
    # pip takes the copy that is installed, so this needs no package index for graphagg itself
    return f'pip install "{_NAME}[{extra}]"'


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
