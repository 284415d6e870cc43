"""Every code block of the README, the guides and the skill runs as it is printed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, blocks_of, pages
from tests.unit.rag.documents.reading.files import thirty
from tests.warm import Warm

PAGES = pages()
NOT_RUN = {
    block.place.rpartition(":")[0] + ": " + block.attributes["norun"]
    for page in PAGES
    for block in blocks_of(page)
    if "norun" in block.attributes
}


ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "COLUMNS": "100",
    "HF_HUB_OFFLINE": "1",
    "OMP_NUM_THREADS": "1",
    "PIP_NO_INDEX": "1",  # a block that installs something says norun
    "PYTHONWARNINGS": "ignore",
}


def environment(first: Path) -> dict[str, str]:
    """That of a page, whose commands are looked for in a folder first."""
    return os.environ | ENVIRONMENT | {"PATH": f"{first}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def warm() -> Iterator[Path]:
    """A folder of commands that start at once."""
    with tempfile.TemporaryDirectory() as folder:
        process = Warm(Path(folder), environment(Path(sys.executable).parent))
        yield process.bin
        process.stop()


def run_page(page: Path, folder: Path, chosen: list[Block], commands: Path) -> str:
    """Run blocks of a page, one after the other, in one process.

    Args:
        page: the page.
        folder: where.
        chosen: its blocks.
        commands: a folder that holds `python` and `graphagg`.
    """
    for name in ("graphagg", "indices", "jobs"):  # the clone, seen from its root
        (folder / name).symlink_to(ROOT / name)
    blocks = [
        {name: getattr(block, name) for name in ("place", "language", "attributes", "text")}
        for block in chosen
    ]
    done = subprocess.run(
        [commands / "python", ROOT / "tests" / "docs" / "page.py"],
        input=json.dumps(blocks),
        cwd=folder,
        env=environment(commands),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_quick_blocks_of_a_page_run(page: Path, tmp_path: Path, warm: Path) -> None:
    chosen = [b for b in blocks_of(page) if not {"norun", "slow"} & set(b.attributes)]
    if not any(block.is_run for block in chosen):
        pytest.skip("no block to run")
    print(run_page(page, tmp_path, chosen, warm))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_all_blocks_of_a_page_run(page: Path, tmp_path: Path) -> None:
    blocks = blocks_of(page)
    if not any("slow" in block.attributes for block in blocks):
        pytest.skip("no slow block")
    chosen = [b for b in blocks if "norun" not in b.attributes]
    print(run_page(page, tmp_path, chosen, Path(sys.executable).parent))


def test_a_folder_of_thirty_files_by_the_guide_alone(tmp_path: Path, warm: Path) -> None:
    """The guide's own commands: made, filled with progress, asked, deleted from, asked again."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    guide = ROOT / "docs" / "guides" / "serving.md"
    lines = guide.read_text(encoding="utf-8").splitlines()
    section = range(lines.index("## Collections"), lines.index("## The interface"))
    chosen = [
        replace(
            block,
            text=block.text.replace("8322", port),
            attributes={k: v.replace("8322", port) for k, v in block.attributes.items()},
        )
        for block in blocks_of(guide)
        if block.line in section
    ]
    assert len(thirty(tmp_path / "documents")) == 30
    run_page(guide, tmp_path, chosen, warm)
    lines_told = (tmp_path / "progress.txt").read_text(encoding="utf-8").split("data: ")[1:]
    *told, last = (json.loads(line) for line in lines_told)
    assert told and all(each["progress"]["total"] >= each["progress"]["done"] for each in told)
    done = last["done"]
    assert done["files"] + len(done["left_out"]) == 30 and done["files"] >= 27
    assert {"broken.pdf", "empty.txt"} <= {each["path"] for each in done["left_out"]}
    (first,) = json.loads((tmp_path / "before.json").read_text(encoding="utf-8"))["hits"]
    (other,) = json.loads((tmp_path / "after.json").read_text(encoding="utf-8"))["hits"]
    assert first["id"] == "travel.md" != other["id"]


def test_nothing_of_the_readme_is_slow() -> None:
    assert not [block.place for block in blocks_of(PAGES[0]) if "slow" in block.attributes]


def test_what_is_not_run_is_listed() -> None:
    """A block that no test runs is named here, with its reason, so that none slips in."""
    listed = (Path(__file__).parent / "not_run.txt").read_text(encoding="utf-8").splitlines()
    assert sorted(NOT_RUN) == listed


@pytest.mark.parametrize(
    ("language", "text"), [("bash", "false"), ("python", "1 / 0"), ("bash", "exit 3 | cat")]
)
def test_a_failing_block_fails_the_page(
    language: str, text: str, tmp_path: Path, warm: Path
) -> None:
    block = Block("p.md", 7, language, {}, text + "\n")
    with pytest.raises(AssertionError, match=r"p\.md:7: the block failed"):
        run_page(ROOT / "README.md", tmp_path, [block], warm)
