"""Where an index lies that takes a local folder: the address of a store is refused there."""

from __future__ import annotations

import os
from pathlib import Path

from graphagg.errors import InvalidParameter
from graphagg.store.remote.addresses import Location, place_of


def local_folder(location: Location) -> Path:
    """The folder of an index, as `file:///folder`, `dbfs:/Volumes/...` or as a path.

    Raises:
        InvalidParameter: it lies on a store, such as `s3://`, has a scheme that is not known, or
            names another host.
    """
    place = place_of(location)
    if isinstance(place, Path):
        return place
    raise InvalidParameter(
        f"{os.fspath(location)}: this takes a local or mounted folder, {place.scheme.name}:// is "
        f"not supported here; `graphagg pull {place} FOLDER` brings an index, `graphagg push "
        f"FOLDER {place}` takes it back"
    )
