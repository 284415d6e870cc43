"""The server of the tests: fetched by exact version and checksum, into a cache folder.

    python -m tests.store_remote.tools

builds the S3 server by the Go client, which compares the module with the checksum that is written
here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

MODULE, VERSION = "github.com/versity/versitygw", "v1.8.0"
CHECKSUM = "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc="


def folder() -> Path:
    """Where the tools lie: `$GRAPHAGG_TOOLS`, else a folder of the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("GRAPHAGG_TOOLS") or Path(home) / "graphagg-tools")


def versitygw() -> Path:
    """The program of the S3 server; it may not be there yet."""
    return folder() / f"versitygw-{VERSION}"


def fetch() -> Path:
    """Bring and build the server, unless it is there."""
    program = versitygw()
    if program.exists():
        return program
    if shutil.which("go") is None:
        sys.exit("the S3 server of the tests is built by Go 1.25 or newer: install it")
    folder().mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOBIN": str(folder())}
    told = subprocess.run(
        ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"],
        env=environment, cwd=folder(), check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(told.stdout)["Sum"]
    if found != CHECKSUM:
        sys.exit(f"{MODULE}@{VERSION} has the checksum {found}, expected {CHECKSUM}")
    subprocess.run(
        ["go", "install", f"{MODULE}/cmd/versitygw@{VERSION}"],
        env=environment, cwd=folder(), check=True,
    )  # fmt: skip
    (folder() / "versitygw").replace(program)
    return program


if __name__ == "__main__":
    print(fetch())
