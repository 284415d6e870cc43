"""Small indices of which every file says which version it is of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphagg.errors import ArtifactBusy
from graphagg.store import Artifact, open_artifact
from graphagg.store import verify_at as verify
from graphagg.store.addresses import Address
from graphagg.store.manifest import Manifest
from graphagg.store.remote.files import Store
from graphagg.store.remote.pointers import current_or_none
from graphagg.store.remote.pushing import push_over
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


def check_two_publishers(place: Address, folder: Path) -> None:
    """Of two publishers that begin from one state, the first one wins, at a new address too."""
    store = Store(place)
    for first in (1, 3):
        began = current_or_none(store)
        push_over(write_version(folder / "first", first), store, *began)
        with pytest.raises(ArtifactBusy, match="another publisher was first"):
            push_over(write_version(folder / "second", first + 1), store, *began)
        assert read_number(place) == first
        verify(place)
