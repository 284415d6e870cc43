"""An S3 server with a disk behind it, on loopback, for as long as a block runs."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphagg.store.remote import Address, address
from tests.store_remote.tools import versitygw

ACCESS, SECRET, BUCKET = "tester", "tester-secret", "bucket"
_PATIENCE = 1200.0  # seconds after which something hangs, on a machine that others use too


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        endpoint: its address.
        root: the folder in which buckets are folders and objects are files.
    """

    endpoint: str
    root: Path

    @property
    def options(self) -> dict[str, Any]:
        """The options of an address."""
        return {"endpoint": self.endpoint, "access_key_id": ACCESS, "secret_access_key": SECRET}

    @property
    def environment(self) -> dict[str, str]:
        """The same for another process."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def at(self, name: str, **options: Any) -> Address:
        """An address in the bucket."""
        return address(f"s3://{BUCKET}/{name}", **{**self.options, **options})

    def file(self, name: str) -> Path:
        """The file of an object."""
        return self.root / BUCKET / name


@contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Start a server over an empty folder; it is gone after the block.

    It keeps tags of objects in extended attributes of their files, which it puts in place together.
    Its other way, files beside them, does not: a reader then meets the tag of one version with the
    bytes of another.
    """
    root = folder / "objects"
    (root / BUCKET).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        str(versitygw()), "--port", f"127.0.0.1:{port}", "--access", ACCESS, "--secret", SECRET,
        "--quiet", "--keep-alive", "posix", str(root),
    ]  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))
    try:
        _wait(process, port, folder / "log")
        yield Server(f"http://127.0.0.1:{port}", root)
    finally:
        process.kill()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')}")
