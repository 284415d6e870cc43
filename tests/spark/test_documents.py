"""Documents that tasks convert: passages, bytes and report are those of one process."""

from __future__ import annotations

import copy
import os
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from graphagg.errors import DuplicateId, EmptyCorpus, JobFailed, MissingExtra, UnreadableFile
from graphagg.rag import FolderReport, PassageIndex, ReadConfig, read_documents
from graphagg.rag.documents.reading import kinds
from graphagg.rag.documents.reading.files import find_files, read_local
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.spark import documents
from graphagg.rag.spark.documents import DocumentFolder
from graphagg.rag.spark.records import PassageInput
from graphagg.spark import SparkOptions
from graphagg.store.manifest import read_manifest
from tests.spark.stores import store_in
from tests.spark.test_passages import fakes
from tests.spark.test_passages import files as bytes_of
from tests.unit.rag.documents.reading.files import thirty, write, xlsx
from tests.unit.rag.documents.reading.test_chats import export
from tests.unit.rag.documents.reading.test_mail import ANSWERED, mail

pytestmark = pytest.mark.spark
LIMITS = ReadConfig(max_memory=16, max_seconds=600)
CRANE = "The crane needs a new motor before winter, says the harbor."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind of file, and what hangs on other files or harms."""
    root = tmp_path_factory.mktemp("documents") / "in"
    thirty(root)
    quoted = f"Yes.\n\n{ANSWERED}\n> {CRANE}\n"
    write(root / "mail" / "1.eml", bytes(mail("Re: crane", quoted, "b", refers="a")))
    write(root / "zmail" / "2.eml", bytes(mail("crane", CRANE, "a")))
    export(root / "slack")
    write(root / "links" / "Page.md", "# Upper\n\nSee [the lower](page.md#cranes).\n")
    write(root / "links" / "page.md", "# Lower\n\n## Cranes\n\nAda paid for the motor.\n")
    write(root / "links" / "long.md", "Ada met Charles Babbage in London. " * 200)
    write(root / "harm" / "cells.xlsx", xlsx({"Large": [["a", "b", "c"]] * 200_000}))
    write(root / "harm" / "a.bin", b"\0\1\2" * 100)
    write(root / ".hidden.md", "Nobody reads this.")
    (root / "again.md").symlink_to(root / "links" / "page.md")
    for place, _, names in os.walk(root):
        for i, name in enumerate(names):
            os.utime(
                Path(place) / name, (1_700_000_000 + i, 1_700_000_000.5 + i), follow_symlinks=False
            )
    return root


@pytest.fixture(scope="module")
def local(folder: Path) -> tuple[Path, FolderReport]:
    """The index of one process, and its report."""
    report, out = FolderReport(), folder.parent / "local"
    PassageIndex.build(read_documents(folder, LIMITS, report), out, **fakes()).close()
    assert (report.quotations, report.notices) == (1, 2) and report.documents > 30
    reasons = {each.path: each.kind for each in report.left_out}
    assert {"harm/cells.xlsx", "harm/a.bin", ".hidden.md", "again.md"} <= reasons.keys()
    return out, report


def without(local: tuple[Path, FolderReport], *kinds: str) -> tuple[Path, FolderReport]:
    """The index of one process, and its report where the link and files of some kinds are not."""
    report = copy.copy(local[1])
    left_out = [each for each in report.left_out if each.kind not in kinds]
    report.left_out = [each for each in left_out if each.path != "again.md"]
    return local[0], report


def assert_same(out: Path, local: tuple[Path, FolderReport], report: FolderReport) -> None:
    assert asdict(report) == asdict(local[1])
    one, other = (read_manifest(path) for path in (local[0], out))
    assert one.to_json() == other.to_json() and bytes_of(local[0]) == bytes_of(out)


def build(spark: Any, source: Any, out: Path, *, force: bool = False) -> None:
    options = SparkOptions(spark, items_per_task=13)
    PassageIndex.build(source, out, engine=options, force=force, **fakes()).close()


def test_a_folder(
    spark: Any,
    tmp_path: Path,
    folder: Path,
    local: tuple[Path, FolderReport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tasks of three files; the report is told again where nothing is to do."""
    monkeypatch.setattr(documents, "_COUNT", 3)
    for _ in range(2):
        source = DocumentFolder(str(folder), LIMITS)
        build(spark, source, tmp_path / "out")
        assert_same(tmp_path / "out", local, source.report)
    with pytest.raises(UnreadableFile, match=r"harm/a\.bin: binary"):
        strict = ReadConfig(include=["harm/a.bin", "*.md"], strict=True)
        build(spark, DocumentFolder(str(folder), strict), tmp_path / "strict")
    assert not (tmp_path / "strict").exists() and not (tmp_path / "strict.work").exists()


def test_a_store(
    spark: Any,
    tmp_path: Path,
    folder: Path,
    local: tuple[Path, FolderReport],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tasks fetch files; the driver has their names and sizes alone."""
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "cache"))
    files = tmp_path / "store" / "in"
    shutil.copytree(folder, files, symlinks=True)
    (files / "again.md").unlink()
    place = store_in(tmp_path / "store") / "in"
    source = DocumentFolder(place, LIMITS)  # type: ignore[arg-type]
    build(spark, source, tmp_path / "out")
    assert_same(tmp_path / "out", without(local), source.report)
    kept = [
        path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.name[:1] != "."
    ]
    assert sum(path.stat().st_blocks for path in kept) * 512 < 100_000


@pytest.mark.parametrize("kind", ["binary", pytest.param("string", marks=pytest.mark.slow)])
def test_a_table(
    spark: Any,
    tmp_path: Path,
    folder: Path,
    local: tuple[Path, FolderReport],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    """Columns `path`, `content` and `modified`: the rows are files, in the order of their paths."""
    monkeypatch.setattr(documents, "_COUNT", 5)
    takes = ReadConfig(max_memory=16, max_seconds=600, exclude=["again.md"])
    if kind == "string":
        takes = ReadConfig(include=["*.md", "*.eml"], exclude=["again.md"])
    found = find_files(folder, takes, lambda *_: None)
    rows = [(f.name, f.path.read_bytes(), f.path.stat().st_mtime) for f in reversed(found)]
    if kind == "string":
        rows = [(name, content.decode(), time) for name, content, time in rows]  # type: ignore[misc]
    table = spark.createDataFrame(rows, f"path string, content {kind}, modified double")
    table.write.parquet(str(tmp_path / "files.parquet"))
    if kind == "string":  # some of the files
        report, out = FolderReport(), tmp_path / "here"
        PassageIndex.build(read_documents(folder, takes, report), out, **fakes()).close()
        local = (out, report)
    source = DocumentFolder(str(tmp_path / "files.parquet"), takes)
    build(spark, source, tmp_path / "out")
    assert_same(tmp_path / "out", without(local, "hidden", "excluded"), source.report)
    with pytest.raises(DuplicateId, match="stands in two rows"):
        build(spark, table.unionAll(table.limit(1)), tmp_path / "twice")


def test_libraries(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing here: an error before anything runs; missing where tasks run: the job ends."""
    write(tmp_path / "in" / "a.rst", "Text.")
    write(tmp_path / "in" / "b.md", "Text.")

    def lacks(*_: Any) -> Any:
        raise MissingExtra("docutils", "documents")

    with monkeypatch.context() as patch:
        patch.setitem(kinds.CONVERTERS, ".rst", lacks)
        with pytest.raises(MissingExtra, match="docutils"):
            PassageInput.from_source(str(tmp_path / "in"), RowConfig()).check()
    write(tmp_path / "hide" / "docutils" / "__init__.py", "raise ModuleNotFoundError")
    monkeypatch.setattr(documents, "check_libraries", lambda _: None)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "hide"), *sys.path])
    with pytest.raises(JobFailed, match=r"an executor lacks.*docutils"):
        stage = documents.DocumentStage(_Here(tmp_path), DocumentFolder("in"), None, 10)  # type: ignore[arg-type]
        stage._convert(0, find_files(tmp_path / "in", ReadConfig(), lambda *_: None), read_local)


class _Here:
    """The blocks of a job, without Spark."""

    def __init__(self, folder: Path) -> None:
        from graphagg.execution.blocks import Blocks
        from graphagg.store.work import FolderStorage

        self.blocks = Blocks(FolderStorage(folder / "blocks"))


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a.md"], "documents"), (["a.jsonl", "b.md"], "documents"),
        (["users.json", "a.mbox"], "documents"),
        (["a.pdf", "b.parquet"], "documents"), (["x/part-0.parquet", "_SUCCESS"], "table"),
        (["p.jsonl.gz", "q.JSON"], "lines"),
    ],
)  # fmt: skip
def test_parts_of_a_table_are_no_documents(tmp_path: Path, names: list[str], kind: str) -> None:
    for name in names:
        write(tmp_path / name, "x")
    assert PassageInput.from_source(str(tmp_path), RowConfig()).kind(None) == kind


def test_nothing_can_be_read(spark: Any, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.bin", b"\0\1\2" * 100)
    with pytest.raises(EmptyCorpus, match=r"nothing in it can be read: .*1 binary \(\.bin\)"):
        build(spark, str(tmp_path / "in"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
