"""Reads and writes files of runs and models: atomic writes, and helpful errors."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphagg.errors import UnreadableFile, WriteFailed, needs

if TYPE_CHECKING:
    from torch import Tensor


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file atomically: `write` gets a temporary path, which is then renamed to `path`.

    The old file stays in place until the new one is complete and synced, even if two processes
    write it at the same time or the power fails. Raises `WriteFailed`.
    """
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            with partial.open("rb+") as file:  # Windows only syncs files that are open for writing
                os.fsync(file.fileno())
            os.replace(partial, path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise unwritable(path, error) from None


def write_json(path: Path, values: dict[str, Any], indent: int = 1) -> None:
    """Write plain values as JSON; see `write_whole`."""
    data = (json.dumps(values, indent=indent) + "\n").encode()
    write_whole(path, lambda partial: partial.write_bytes(data))


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """Read a JSON object; the message of `UnreadableFile` ends with `remedy`."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnreadableFile(f"{path} does not exist; {remedy}") from None
    except (OSError, ValueError, RecursionError) as error:  # also too many digits, or not UTF-8
        raise UnreadableFile(f"{path} is not JSON ({error}); {remedy}") from None
    if not isinstance(values, dict):
        raise UnreadableFile(f"{path}: a {type(values).__name__}, expected an object; {remedy}")
    return values


def unwritable(path: Path, error: OSError) -> WriteFailed:
    """Return the error for a file that cannot be written."""
    return WriteFailed(
        f"{path} cannot be written ({error.strerror or error}); free some space or use another "
        "folder"
    )


def safetensors() -> Any:
    """Import `safetensors` and `safetensors.torch`, or raise `MissingExtra`."""
    with needs("safetensors", "nn"):
        import safetensors.torch
    return safetensors


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file; see `write_whole`."""
    save = safetensors().torch.save  # fail before writing anything if the library is missing
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    data = save(plain, metadata=metadata)
    write_whole(path, lambda partial: partial.write_bytes(data))


def read_tensors(path: Path, remedy: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Read metadata and tensors of a safetensors file; `UnreadableFile` ends with `remedy`.

    The library checks that the shapes match the size of the file before it allocates memory.
    """
    library = safetensors()
    try:
        with library.safe_open(path, framework="pt") as file:
            names = file.keys()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in names}
    except FileNotFoundError:
        raise UnreadableFile(f"{path} does not exist; {remedy}") from None
    except (OSError, library.SafetensorError) as error:
        raise UnreadableFile(
            f"{path} is truncated or not a safetensors file ({error}); {remedy}"
        ) from None
