"""What `make dist` ships: a wheel with all that the package reads, usable as a .zip too."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import graphagg

ROOT = Path(__file__).parents[2]

# A kernel is compiled from the archive: numba has to find a place for its cache all the same.
KERNEL = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
import graphagg
from graphagg.communities import CommunityIndex
from graphagg.graph import load_graph
import graphagg.cli.builds.graphs, graphagg.cli.builds.run, graphagg.cli.builds.passages
assert graphagg.__file__.startswith(sys.argv[1]), graphagg.__file__
with CommunityIndex.build([(1, 2), (2, 3), (3, 1)], sys.argv[2]) as index:
    print(len(index))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory"]
    subprocess.run([*build, str(folder)], cwd=ROOT, check=True, capture_output=True)
    (found,) = folder.glob("*.whl")
    return found


def test_the_wheel_holds_what_the_package_reads_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = [
        path.relative_to(ROOT)
        for path in (ROOT / "graphagg").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {str(path) for path in package} <= names
    for name in ("py.typed", "rag/demo/passages.jsonl", "serve/page/index.html"):
        assert f"graphagg/{name}" in names
    assert {name.split("/")[0] for name in names - {str(p) for p in package}} == {
        name.split("/")[0] for name in names if ".dist-info/" in name
    }


def test_its_readme_shows_pictures_and_links_away_from_the_repository(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        text = archive.read(name).decode()
    assert f"\nVersion: {graphagg.__version__}\n" in text
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'<img[^>]*? src="([^"]+)"', text)
    assert targets  # else nothing is shown
    assert not [target for target in targets if not target.startswith(("https://", "#"))]


@pytest.mark.slow
def test_the_zip_runs_as_it_is(wheel: Path, tmp_path: Path) -> None:
    """As executors take it from --py-files: first on the path, never unpacked."""
    archive = shutil.copyfile(wheel, tmp_path / "graphagg.zip")
    command = [sys.executable, "-I", "-c", KERNEL, str(archive), str(tmp_path / "out")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "3"), done.stderr
