"""Documents of a build on Spark: passages, bytes and report are those of one process."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from graphagg.errors import EmptyCorpus, UnreadableFile
from graphagg.rag import FolderReport, PassageIndex, ReadConfig, read_documents
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.spark.documents import DocumentFolder
from graphagg.rag.spark.records import PassageInput
from graphagg.spark import SparkOptions
from graphagg.store.manifest import read_manifest
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
    assert (report.quotations, report.notices) == (1, 5) and report.documents > 30
    reasons = {each.path: each.kind for each in report.left_out}
    assert {"harm/cells.xlsx", "harm/a.bin", ".hidden.md", "again.md"} <= reasons.keys()
    return out, report


def assert_same(out: Path, local: tuple[Path, FolderReport], report: FolderReport) -> None:
    assert asdict(report) == asdict(local[1])
    one, other = (read_manifest(path) for path in (local[0], out))
    assert one.to_json() == other.to_json() and bytes_of(local[0]) == bytes_of(out)


def build(spark: Any, source: Any, out: Path, *, force: bool = False) -> None:
    options = SparkOptions(spark, items_per_task=13)
    PassageIndex.build(source, out, engine=options, force=force, **fakes()).close()


def test_a_folder(
    spark: Any, tmp_path: Path, folder: Path, local: tuple[Path, FolderReport]
) -> None:
    """The report is the same again where nothing is to do."""
    for _ in range(2):
        source = DocumentFolder(str(folder), LIMITS)
        build(spark, source, tmp_path / "out")
        assert_same(tmp_path / "out", local, source.report)
    with pytest.raises(UnreadableFile, match=r"harm/a\.bin: binary"):
        strict = ReadConfig(include=["harm/a.bin", "*.md"], strict=True)
        build(spark, DocumentFolder(str(folder), strict), tmp_path / "strict")
    assert not (tmp_path / "strict").exists() and not (tmp_path / "strict.work").exists()


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["a.md"], "documents"), (["a.jsonl", "b.md"], "documents"),
        (["users.json", "a.mbox"], "documents"),
        (["a.pdf", "b.parquet"], "documents"), (["x/part-0.parquet", "_SUCCESS"], "table"),
        (["p.jsonl.gz", "q.JSON"], "lines"),
    ],
)  # fmt: skip
def test_parts_of_a_table_are_no_documents(
    spark: Any, tmp_path: Path, names: list[str], kind: str
) -> None:
    for name in names:
        write(tmp_path / name, "x")
    assert PassageInput.from_source(str(tmp_path), RowConfig()).kind(spark) == kind


def test_nothing_can_be_read(spark: Any, tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.bin", b"\0\1\2" * 100)
    with pytest.raises(EmptyCorpus, match=r"nothing in it can be read: .*1 binary \(\.bin\)"):
        build(spark, str(tmp_path / "in"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
