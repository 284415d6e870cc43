"""A folder that is treated as a store: objects by fsspec, Parquet by Hadoop, nothing mapped."""

from __future__ import annotations

from pathlib import Path

from graphagg.store.addresses import Address, Scheme

FOLDER = Scheme("folder", "file", "file", "fsspec", None, of_host=False)


def store_in(folder: Path) -> Address:
    """The address of a folder."""
    return Address(FOLDER, "", str(folder).lstrip("/"), {"auto_mkdir": True})
