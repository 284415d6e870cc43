"""Small indices of which every file says which version it is of."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from graphagg.store import Artifact, open_artifact
from graphagg.store.manifest import Manifest
from graphagg.store.writing import write_folder

KIND = "numbered"
FILES = 8


def write_version(folder: Path, number: int, size: int = 200) -> Path:
    """An index of version `number`: files 1 to 7 hold it, file 0 is the same in all versions."""
    with write_folder(folder) as publication:
        publication.writer.array("same", np.arange(size))
        for file in range(1, FILES):
            publication.writer.array(f"part{file}", np.full(size + file, number, np.int64))
        publication.publish(Manifest(KIND, {"number": number}))
    return folder


def number_of(artifact: Artifact) -> int:
    """The version that all files are of; `AssertionError` where they are of several."""
    numbers = {int(n) for file in range(1, FILES) for n in artifact.array(f"part{file}")}
    numbers.add(int(artifact.manifest.parameters["number"]))
    assert len(numbers) == 1, f"files of versions {sorted(numbers)}"
    return numbers.pop()


def read_number(location: object) -> int:
    """The version that is current somewhere, read whole."""
    with open_artifact(location, kind=KIND) as artifact:  # type: ignore[arg-type]
        return number_of(artifact)
