"""Where an index lies: a local folder. An address with a scheme is understood or refused."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from graphagg.errors import InvalidParameter

# Two characters at least, so that a drive letter is none. A `Path` has made one slash of two.
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(?=/)")


def local_folder(location: str | os.PathLike[str]) -> Path:
    """The folder of an index, as `file:///folder` or as a path.

    Raises:
        InvalidParameter: it has another scheme, such as `s3://`, or names another host.
    """
    text = os.fspath(location)
    match = _SCHEME.match(text)
    if match is None:
        return Path(location)
    if match[1].lower() != "file":
        raise InvalidParameter(
            f"{text}: an index lies in a local or mounted folder, {match[1]}:// is not supported; "
            "build it in such a folder, and copy that"
        )
    path = text[match.end() :]
    if path.startswith("//"):
        host, slash, rest = path[2:].partition("/")
        if host not in ("", "localhost"):
            raise InvalidParameter(
                f"{text}: names the host {host!r}; a folder of this machine is written with three "
                f"slashes, as file:///{host}/{rest}"
            )
        path = slash + rest
    return Path(unquote(path))
