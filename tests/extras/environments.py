"""Environments that hold graphagg, from its wheel, with some extras and what those need.

The packages are those that are installed here, by hard links: nothing is downloaded, and an
environment of gigabytes takes seconds. What an installer would bring follows from the metadata of
the wheel and of each package (`benchmarks.extras.needed`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from importlib import metadata
from pathlib import Path

from benchmarks.extras import EXTRAS, PROJECT, needed

ROOT = Path(__file__).parents[2]
OUTCOMES = ROOT / "build" / "extras"
"""Where the tests write what they found."""
TOGETHER = ("fast,documents", "fast,serve", "fast,mcp", "rag,models", "fast,communities,embedding")
"""Extras that the guides install together."""


def environments() -> list[str]:
    """Names of all environments: no extra, each alone, and those that guides install together."""
    alone = [name for name in EXTRAS if name not in ("all", "docs", "dev")]
    return ["none", *alone, *TOGETHER]


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this clone."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def make_environment(folder: Path, wheel: Path, extras: str) -> Path:
    """Make an environment with the wheel and some extras; returns its Python."""
    venv.create(folder, symlinks=os.name != "nt", with_pip=False)
    python = next((folder / "bin").glob("python"))
    site = next((folder / "lib").glob("python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    names = [] if extras == "none" else [f"graphagg[{name}]" for name in extras.split(",")]
    for package in sorted(needed([*PROJECT["dependencies"], *names])):
        _link(package, site)
    return python


def _link(package: str, site: Path) -> None:
    """Link the files of an installed package into another folder of packages."""
    for file in metadata.files(package) or ():
        if ".." in file.parts or file.suffix == ".pyc":
            continue  # commands of the package, and caches
        source, place = Path(str(file.locate())), site / str(file)
        if source.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(source, place)
            except OSError:  # another file system
                shutil.copy2(source, place)
