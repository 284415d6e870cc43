"""Where a process keeps copies of what it reads from a store: local, and gone with the job."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_DISKS = ("SPARK_EXECUTOR_DIRS", "LOCAL_DIRS", "SPARK_LOCAL_DIRS")
"""What Spark's managers call the local disks of an executor: standalone, YARN, Kubernetes."""
_NAME = "graphagg-{}"


def scratch_folder(run: str) -> Path:
    """The local folder of a run, which the workers of an executor share; made where it is not."""
    folder = _disk() / _NAME.format(run)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def remove_scratch(run: str) -> None:
    """Remove the folder of a run on this machine; Spark removes those of its executors."""
    shutil.rmtree(_disk() / _NAME.format(run), ignore_errors=True)


def _disk() -> Path:
    for name in _DISKS:
        for folder in os.environ.get(name, "").replace(os.pathsep, ",").split(","):
            if folder and os.path.isdir(folder) and os.access(folder, os.W_OK):
                return Path(folder)
    return Path(tempfile.gettempdir())
