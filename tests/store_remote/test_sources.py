"""Folders of documents on a real S3 server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from graphagg.rag import FolderReport, PassageIndex, ReadConfig, read_documents
from graphagg.store.addresses import Address
from graphagg.store.remote.files import Store
from tests.store_remote.server import Server
from tests.unit.commands import run

pytestmark = pytest.mark.store
QUESTIONS = ("Where does the pump stand?", "What leaks?", "When is the valve changed?")


def put(place: Address, folder: Path) -> None:
    """Make the objects below an address those of a folder, with their times."""
    store = Store(place)
    local = {p.relative_to(folder).as_posix(): p for p in folder.rglob("*") if p.is_file()}
    store.remove(store.listed().keys() - local.keys())
    for name, path in local.items():
        info = store.info(name)
        if info is None or store.read(name) != path.read_bytes():
            store.write(name, path)
    for name, info in store.listed().items():
        os.utime(local[name], (info.modified, info.modified))


def state(index: PassageIndex) -> list[Any]:
    passages = sorted((p.id, p.text, p.title, repr(p.metadata)) for p in index)
    hits = [[(h.passage.id, round(h.score, 5)) for h in index.retrieve(q)] for q in QUESTIONS]
    return [passages, hits]


def same(place: Address, folder: Path, index: PassageIndex, tmp_path: Path) -> None:
    """Sync from the store; compare reports and answers with a build from the folder."""
    reports = FolderReport(), FolderReport()
    config = ReadConfig(max_file_size=1)
    index.sync(list(read_documents(place, config, reports[0])))
    shutil.rmtree(tmp_path / "local", ignore_errors=True)
    documents = list(read_documents(folder, config, reports[1]))
    assert reports[0] == reports[1]
    with PassageIndex.build(documents, tmp_path / "local", profile="fast") as built:
        assert state(index) == state(built)


def test_a_folder_of_a_bucket_is_that_folder_after_edits_deletions_and_renames(
    server: Server, tmp_path: Path
) -> None:
    folder, place = tmp_path / "docs", server.at("company/docs")
    (folder / "manual").mkdir(parents=True)
    for number in range(40):
        (folder / "manual" / f"p{number}.md").write_text(f"# Pump {number}\n\nIt stands in Oslo.\n")
    (folder / "valve.txt").write_text("The valve is changed every year. Bø leaks.\n")
    (folder / "large.txt").write_text("words " * 300_000)
    (folder / "binary.dat").write_bytes(b"\0\1" * 100)
    put(place, folder)
    documents = read_documents(place, ReadConfig(max_file_size=1), FolderReport())
    with PassageIndex.build(list(documents), tmp_path / "idx", profile="fast") as index:
        same(place, folder, index, tmp_path)
        (folder / "manual" / "p3.md").write_text("# Pump 3\n\nIt leaks in Bergen.\n")
        (folder / "manual" / "p4.md").unlink()
        (folder / "manual" / "p5.md").rename(folder / "moved.md")
        (folder / "new.html").write_text("<html><body><p>The seal leaks.</p></body></html>")
        put(place, folder)
        fetched: list[str] = []
        read = Store.read
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Store, "read", lambda *a: fetched.append(a[1]) or read(*a))
            same(place, folder, index, tmp_path)
        assert sorted(fetched) == ["manual/p3.md", "moved.md", "new.html"]


def test_the_commands_index_and_sync_a_bucket(server: Server, tmp_path: Path) -> None:
    folder, place = tmp_path / "docs", server.at("team")
    folder.mkdir()
    (folder / "a.md").write_text("The pump stands in Oslo.")
    (folder / "b.md").write_text("The seal leaks.")
    put(place, folder)
    index = tmp_path / "idx"
    done = run("rag", "index", place, "--out", index, "--profile", "fast", **server.environment)
    assert done.returncode == 0, done.stderr
    (folder / "b.md").unlink()
    put(place, folder)
    done = run("rag", "sync", index, "--yes", **server.environment)
    assert done.returncode == 0 and "1 removed" in done.stdout, done.stderr + done.stdout
    done = run("rag", "index", server.at("nothing"), "--out", index, **server.environment)
    assert done.returncode == 2 and "no such file or folder" in done.stderr
