"""Files that are whole: written beside their place, and put there at once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from graphagg.errors import WriteFailed


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file; what was in its place stays until the new one is whole.

    Args:
        path: The file; its folder is made.
        write: Writes to the path that it is given, in the same folder.

    Raises:
        WriteFailed: The disk is full, or refuses.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from None


def unwritable(path: Path, error: OSError) -> WriteFailed:
    """The error that says so."""
    return WriteFailed(
        f"{path} cannot be written ({error.strerror or error}); free some space or take another "
        "folder"
    )
