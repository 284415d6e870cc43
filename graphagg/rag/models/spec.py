"""Identity of a model, recorded in an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from graphagg.errors import MissingExtra, ModelMismatch
from graphagg.store.manifest import file_sha256


@dataclass(frozen=True)
class ModelSpec:
    """Identity of a model."""

    name: str  # as requested: a hub name, a package's model, or a path
    sha256: str  # of the weights; two models with the same sha256 are the same
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest entry of the model."""
        return {"name": self.name, "sha256": self.sha256, **self.settings}

    def check_built_with(self, role: str, recorded: Mapping[str, Any], where: str) -> None:
        """Raise `ModelMismatch` unless this is the model recorded in the manifest."""
        if self.sha256 != recorded["sha256"]:
            raise ModelMismatch(
                f"{where}: the index was built with the {role} {recorded['name']!r} (sha256 "
                f"{recorded['sha256'][:12]}...), this one is {self.name!r} (sha256 "
                f"{self.sha256[:12]}...); use the first, or build the index again"
            )


def pinned_sha256(path: Path, wanted: str, package: str) -> str:
    """Return the sha256 of a packaged file; raise `ModelMismatch` unless it is the pinned one."""
    sha256 = file_sha256(path)
    if sha256 != wanted:
        raise ModelMismatch(f"{path}: sha256 {sha256}, expected {wanted}; install {package} again")
    return sha256


def packaged_file(package: str, extra: str, name: str, sha256: str) -> tuple[Path, str]:
    """Return the path and sha256 of a file in a package, without importing the package.

    Raises `MissingExtra` if the package is missing, `ModelMismatch` if its file is a different one.
    """
    module = find_spec(package.replace("-", "_"))
    if module is None or module.origin is None:
        raise MissingExtra(package, extra)
    path = Path(module.origin).with_name(name)
    return path, pinned_sha256(path, sha256, package)


def files_sha256(paths: Iterable[Path]) -> str:
    """Return the sha256 of a file; for several files, the sha256 of their joined sha256."""
    digests = [file_sha256(path) for path in sorted(paths)]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
