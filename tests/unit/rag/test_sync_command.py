"""`graphagg rag sync`: an index holds what its folder holds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from graphagg.rag import PassageIndex
from tests.unit.commands import Answer


def write(folder: Path, **texts: str) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")
        os.utime(folder / f"{name}.md", (0, 0))


def test_sync_counts_documents_and_can_only_say_so(
    tmp_path: Path, call: Callable[..., Answer]
) -> None:
    docs, index = tmp_path / "docs", tmp_path / "idx"
    write(docs, a="Ada met Byron.", b="Babbage built an engine.", c="Nobody is here.")
    call("rag", "index", docs, "--out", index)
    write(docs, a="Ada met Babbage.", d="London lies on the Thames.")
    (docs / "b.md").unlink()
    wanted = {"added": 1, "replaced": 1, "removed": 1, "unchanged": 1}
    for options, holds in ((["--dry-run"], "b.md"), ([], "d.md")):
        said = call("rag", "sync", index, docs, "--json", *options).json
        assert said == said | wanted
        with PassageIndex.open(index) as opened:
            assert holds in opened
    said = call("rag", "sync", index, docs)
    assert ": 3 unchanged; now " in said.out


def test_an_unchanged_folder_is_not_read(
    tmp_path: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    docs, index = tmp_path / "docs", tmp_path / "idx"
    write(docs, a="Ada met Byron.", b="Babbage built an engine.")
    call("rag", "index", docs, "--out", index)

    def refuses(*_: object) -> None:
        raise AssertionError("a file was read")

    with monkeypatch.context() as patch:
        patch.setattr("graphagg.rag.documents.reading.folder.read_file", refuses)
        assert ": 2 unchanged; now " in call("rag", "sync", index).out
    code = (
        "import sys, graphagg.cli.main as c\ntry: c.main()\nfinally: print('numpy' in sys.modules)"
    )
    command = [sys.executable, "-c", code, "rag", "sync", index]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "2 unchanged" in done.stdout and done.stdout.endswith("False\n")  # nor numpy loaded
    write(docs, a="Ada met Biron.")  # the same size and time
    assert call("rag", "sync", index, "--json").json["replaced"] == 1
    call("rag", "delete", index, "a.md")
    assert call("rag", "sync", index, "--json").json["added"] == 1


def test_without_a_folder_it_syncs_what_the_index_was_made_of(
    tmp_path: Path, call: Callable[..., Answer]
) -> None:
    docs, index, other = tmp_path / "docs", tmp_path / "idx", tmp_path / "other"
    write(docs, a="Ada met Byron.")
    call("rag", "index", docs, "--out", index)
    write(docs, b="Babbage built an engine.")
    assert call("rag", "sync", index, "--json").json["added"] == 1
    PassageIndex.build([{"id": "a", "text": "Ada met Byron."}], other, profile="fast").close()
    assert "records no source folder" in call("rag", "sync", other).error


def test_an_empty_folder_deletes_nothing(tmp_path: Path, call: Callable[..., Answer]) -> None:
    docs, index = tmp_path / "docs", tmp_path / "idx"
    write(docs, a="Ada met Byron.")
    call("rag", "index", docs, "--out", index)
    (docs / "a.md").unlink()
    assert "none of its files can be read" in call("rag", "sync", index, docs).error
    with PassageIndex.open(index) as opened:
        assert list(opened)


def test_another_folder_and_the_loss_of_most_documents_want_a_yes(
    tmp_path: Path, call: Callable[..., Answer]
) -> None:
    docs, other, index = (tmp_path / name for name in ("docs", "other", "idx"))
    write(docs, a="Ada met Byron.", b="Babbage built an engine.", c="Nobody is here.")
    write(other, d="London lies on the Thames.")
    call("rag", "index", docs, "--out", index)
    said = call("rag", "sync", index, other).error
    assert f"was built from {docs}, not from {other}" in said and "3 of the 3 documents" in said
    for name in ("a.md", "b.md"):
        (docs / name).unlink()
    assert "2 of the 3 documents" in call("rag", "sync", index, docs).error
    with PassageIndex.open(index) as opened:
        assert {p.id for p in opened} == {"a.md", "b.md", "c.md"}
    assert call("rag", "sync", index, docs, "--json", "--yes").json["removed"] == 2
    assert call("rag", "sync", index, other, "--json", "--yes").json["added"] == 1
    assert call("rag", "sync", index, other, "--json").json["unchanged"] == 1
