"""A folder that is treated as a store: objects by obstore, Parquet by Hadoop, nothing mapped."""

from __future__ import annotations

from pathlib import Path

from graphagg.store.addresses import Address, Scheme
from graphagg.store.remote import pointers

FOLDER = Scheme("file", "file", "obstore", "stores", of_host=False)
# obstore puts against no tag in a folder; these tests publish once, which needs none.
pointers._PROBED.add((FOLDER.name, "", "None"))


def store_in(folder: Path) -> Address:
    """The address of a folder."""
    return Address(FOLDER, "", str(folder).lstrip("/"))
