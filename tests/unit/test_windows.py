"""What can be shown of Windows elsewhere: a Python without `fcntl`, `resource` and the like.

Locks are then taken by portalocker, on files that stand for folders; here it calls `flock`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphagg.errors import ArtifactBusy
from graphagg.store import locks, open_artifact, write_artifact

WINDOWS = """
import mmap, os, sys
import portalocker, psutil, multiprocessing.util, subprocess  # they need them here
for name in ("fcntl", "resource"):
    sys.modules[name] = None
for name in ("O_DIRECTORY", "sched_getaffinity", "fork", "posix_fallocate"):
    if hasattr(os, name):
        delattr(os, name)
for name in [name for name in vars(mmap) if name.startswith("MADV_")]:
    delattr(mmap, name)
"""


def on_windows(code: str, *arguments: object) -> str:
    command = [sys.executable, "-c", WINDOWS + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_layer_needs_no_lock_and_the_command_line_helps_and_measures():
    code = (
        "sys.argv = ['graphagg', '--help']\n"
        "from graphagg.cli.output.console import resources_text\n"
        "print(resources_text())\n"
        "import graphagg.rag\nfrom graphagg.rag import PassageIndex\n"
        "import torch\nfrom graphagg.nn import LCMAggregation\n"
        "print(*LCMAggregation(4, 4)(torch.ones(3, 4), torch.tensor([0, 0, 1])).shape)\n"
        "from graphagg.cli.main import main\nmain()"
    )
    shown = on_windows(code)
    assert "CPU s\n2 4\n" in shown and "peak" not in shown  # it is not known there
    assert "communities" in shown


def test_an_index_is_built_changed_and_opened(tmp_path: Path):
    code = (
        "from graphagg.communities import CommunityIndex\n"
        "with CommunityIndex.build([(1, 2), (2, 3), (3, 1)], sys.argv[1]) as index:\n"
        "    index.add([(3, 4)])\n    print(len(index), index.query([1], 1).members[0].id)\n"
        "with CommunityIndex.open(sys.argv[1]) as index:\n    print(len(index))"
    )
    here, there = tmp_path / "here", tmp_path / "there"
    ours = subprocess.run(
        [sys.executable, "-c", "import sys\n" + code, str(here)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert on_windows(code, there) == ours.stdout
    (version,) = here.glob("v-*")
    names = sorted(path.name for path in version.iterdir())
    assert names == sorted(path.name for path in (there / version.name).iterdir())
    for name in names:  # the same index, whatever locked it
        assert (version / name).read_bytes() == (there / version.name / name).read_bytes()
    assert (here / "manifest.json").read_bytes() == (there / "manifest.json").read_bytes()


@pytest.fixture
def without_fcntl(monkeypatch: pytest.MonkeyPatch) -> None:
    import portalocker  # noqa: F401  # it finds `fcntl`

    monkeypatch.setattr(locks, "fcntl", None)


@pytest.mark.usefixtures("without_fcntl")
def test_one_writer_at_a_time(tmp_path: Path):
    with (
        write_artifact(tmp_path / "i"),
        pytest.raises(ArtifactBusy),
        write_artifact(tmp_path / "i"),
    ):
        pass


@pytest.mark.usefixtures("without_fcntl")
def test_a_version_stays_while_readers_hold_it(tmp_path: Path):
    folder = tmp_path / "v-0"
    folder.mkdir()
    readers = [locks.hold_folder(folder, shared=True) for _ in range(2)]
    assert None not in readers
    for descriptor in readers:
        assert locks.hold_folder(folder, shared=False) is None
        os.close(descriptor)
    writer = locks.hold_folder(folder, shared=False)
    assert writer is not None and locks.hold_folder(folder, shared=True) is None
    folder.rmdir()
    os.close(writer)
    with pytest.raises(FileNotFoundError):
        locks.hold_folder(folder, shared=True)


@pytest.mark.usefixtures("without_fcntl")
def test_what_stands_for_a_folder_goes_after_it(tmp_path: Path):
    from graphagg.store.manifest import Manifest

    def publish(number: int) -> Path:
        with write_artifact(tmp_path) as publication:
            publication.writer.strings("names", [str(number)])
            return tmp_path / publication.publish(Manifest("test", {"number": number})).data

    first = publish(1)
    with open_artifact(tmp_path):
        publish(2)
        assert first.is_dir()
    older = tmp_path / (locks.LEASE + first.name)
    assert older.exists()
    publish(3)
    assert not first.exists()
    publish(4)  # the next writer removes what stood for it
    assert not older.exists()
