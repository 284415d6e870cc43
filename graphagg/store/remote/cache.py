"""The local cache of indices that were opened from stores.

    CACHE/indices/<name>-<key>/index/   an artifact directory, downloaded with `pull`
    CACHE/builds/<name>-<key>/          a build that will be uploaded to a store
    CACHE/sources/<name>-<key>/         the files of a source of documents

`CACHE` is `$GRAPHAGG_CACHE`, else `graphagg` in `$XDG_CACHE_HOME` or `~/.cache`. It holds the
newest version of each index. Its size has no limit; you may remove any folder in it. Several
processes may share it.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path

from graphagg.errors import ArtifactBusy, WriteFailed
from graphagg.store.addresses import Address
from graphagg.store.remote.files import Store
from graphagg.store.remote.pointers import Published
from graphagg.store.remote.pulling import is_here, pull_version

_WAIT = 0.05  # seconds between checks while another process downloads


def cache_folder() -> Path:
    """Return the folder of the cache."""
    configured = os.environ.get("GRAPHAGG_CACHE")
    if configured:
        return Path(configured).absolute()
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache").absolute() / "graphagg"


def build_folder(address: Address) -> Path:
    """Return the local folder in which an index for a store is built."""
    return cache_folder() / "builds" / _key(address)


def cached_folder(address: Address) -> Path:
    """Return the local folder of an index that was opened from a store."""
    return cache_folder() / "indices" / _key(address) / "index"


def source_folder(address: Address) -> Path:
    """Return the local folder with the files of a source of documents."""
    return cache_folder() / "sources" / _key(address)


def bring_here(store: Store, published: Published, local: Mapping[str, Path] | None = None) -> Path:
    """Return the cached folder of a version; download it if it is missing. Raises as `pull`."""
    root = cached_folder(store.address)
    while not is_here(published, root):
        try:
            published, _ = pull_version(store, published, root, local=local)
        except ArtifactBusy:  # another process is downloading it
            time.sleep(_WAIT)
        except (OSError, WriteFailed) as error:
            cause = error if isinstance(error, OSError) else error.__cause__ or error
            raise WriteFailed(
                f"{root}: the local cache cannot store {store.address}, {published.size:,} bytes "
                f"({getattr(cause, 'strerror', None) or cause}); make room, or set "
                "GRAPHAGG_CACHE to another folder. Downloaded files are kept for the next try"
            ) from error
    return root


def _key(address: Address) -> str:
    """Return a readable folder name that is unique to an address and server."""
    server = [str(address.options.get(name)) for name in ("endpoint", "host", "port", "url")]
    environment = [os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")]
    text = "\n".join([str(address), *server, *(environment if address.scheme.name == "s3" else [])])
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", address.name or address.host)[:40].strip(".-")
    return f"{name or 'index'}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
