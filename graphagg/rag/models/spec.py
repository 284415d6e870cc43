"""Identity of a model, as an index records it."""

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

    name: str  # the requested one on a hub or of a package, or a path
    sha256: str  # over its weights; two models are the same if their sha256 is
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The manifest's entry."""
        return {"name": self.name, "sha256": self.sha256, **self.settings}

    def check_built_with(self, role: str, recorded: Mapping[str, Any], where: str) -> None:
        """Raise `ModelMismatch` unless this is the model that the manifest records."""
        if self.sha256 != recorded["sha256"]:
            raise ModelMismatch(
                f"{where}: the index was built with the {role} {recorded['name']!r} (sha256 "
                f"{recorded['sha256'][:12]}...), this one is {self.name!r} (sha256 "
                f"{self.sha256[:12]}...); use the first, or build the index again"
            )


def pinned_sha256(path: Path, wanted: str, package: str) -> str:
    """The sha256 of a packaged file; raises `ModelMismatch` unless it is the pinned one."""
    sha256 = file_sha256(path)
    if sha256 != wanted:
        raise ModelMismatch(f"{path}: sha256 {sha256}, expected {wanted}; install {package} again")
    return sha256


def packaged_file(package: str, extra: str, name: str, sha256: str) -> tuple[Path, str]:
    """The path and sha256 of a file in a package, whose code is not run.

    Raises `MissingExtra` without the package, `ModelMismatch` if it holds another file.
    """
    module = find_spec(package.replace("-", "_"))
    if module is None or module.origin is None:
        raise MissingExtra(package, extra)
    path = Path(module.origin).with_name(name)
    return path, pinned_sha256(path, sha256, package)


def files_sha256(paths: Iterable[Path]) -> str:
    """The sha256 of one file, or one over the sha256 of several."""
    digests = [file_sha256(path) for path in sorted(paths)]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
