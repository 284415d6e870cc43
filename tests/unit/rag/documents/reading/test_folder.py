"""A folder as documents: what is read, what is left out, and that nothing outside is touched."""

from __future__ import annotations

import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import EmptyCorpus, InvalidParameter, MissingExtra, UnreadableFile
from graphagg.rag import ReadConfig, read_passages
from graphagg.rag.documents.reading import files as reading_files
from graphagg.rag.documents.reading import folder as reading_folder
from graphagg.rag.documents.value_types import parse_instant
from tests.unit.rag.documents.reading import files
from tests.unit.rag.documents.reading.files import read, write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "folder"
    for name, content in {
        "a.md": "# A heading\nThe text.\n",
        "UPPER.MD": "Text of upper.",
        "b.markdown": "Text of b.",
        "notes.rst": "Notes\n=====\n\nText.",
        "page.html": "<title>Page</title><p>Text.",
        "report.pdf": files.pdf([["Report"]]),
        "word.docx": files.docx(),
        "book.epub": files.epub(),
        "text.odt": files.odt(),
        "lab.ipynb": '{"cells": [{"cell_type": "markdown", "source": "Lab text"}]}',
        "rows.csv": "name,year\nAnna,2001\nBert,2002\n",
        "rows.jsonl": '{"text": "One row."}\nbroken\n',
        "pkg/README": "Read me.",
        "pkg/README.Debian": "For Debian.",
        "pkg/deep/code.py": "print('text')\n",
        "empty.txt": "",
        "blank.txt": " \n\n",
        "latin1.txt": "Die Brücke über die Donau wurde für große Züge gebaut.".encode("latin-1"),
        "lib.so": b"\x7fELF\0",
        "data.strange": "Text of an unknown kind.",
        "zeros.txt": b"a\0b",
        "bad.pdf": b"%PDF-1.7 broken",
        ".hidden.md": "Hidden.",
        ".git/config.md": "Hidden as well.",
    }.items():
        write(root / name, content)
    return root


def test_what_a_folder_holds_is_read_with_titles_and_the_rest_is_counted(folder: Path) -> None:
    documents, report = read(folder)
    assert list(documents) == [
        "UPPER.MD", "a.md", "b.markdown", "book.epub", "lab.ipynb", "latin1.txt", "notes.rst",
        "page.html", "pkg/README", "pkg/README.Debian", "pkg/deep/code.py", "report.pdf",
        "rows.csv/1", "rows.csv/2", "rows.jsonl/1", "text.odt", "word.docx",
    ]  # fmt: skip
    assert report.kinds == {
        "hidden": 2, "empty": 2, "binary (.so)": 1, "binary (.txt)": 1, "broken": 1,
        "of unknown kind (.strange)": 1,
    }  # fmt: skip
    assert [part.path for part in report.refused] == ["rows.jsonl/2"]
    assert report.read == 16
    assert str(report).startswith("read 16 of 24 files; left out: 2 ")
    regular = [p for p in folder.rglob("*") if p.is_file() and p.parent.name != ".git"]
    assert report.read + len(report.left_out) == len(regular) + 1  # .git counts as one
    assert read(folder) == (documents, report)
    titles = {name: document.title for name, document in documents.items()}
    assert titles["a.md"] == "A heading"
    assert documents["a.md"].text == "The text."
    assert titles["UPPER.MD"] == "UPPER"
    assert titles["pkg/README"] == titles["pkg/README.Debian"] == "pkg README"
    assert titles["pkg/deep/code.py"] == "code.py"
    assert titles["rows.csv/1"] == "Anna"
    with pytest.warns(UserWarning, match="read 16 of 24 files; left out"):
        passages = list(read_passages(folder))
    assert len(passages) == 17


def test_a_title_that_many_files_have_follows_a_name_that_tells_more(tmp_path: Path) -> None:
    titles = {"pkg/docs/HISTORY.md": "History", "pkg/a.md": "Overview", "docs/README.md": "Index"}
    for name, title in titles.items():
        write(tmp_path / name, f"# {title}\n\nText.")
    documents, _ = read(tmp_path)
    assert {name: document.title for name, document in documents.items()} == {
        "pkg/docs/HISTORY.md": "pkg History", "pkg/a.md": "a Overview",
        "docs/README.md": "docs Index",
    }  # fmt: skip


def test_metadata_of_files(folder: Path) -> None:
    path = folder / "pkg" / "deep" / "code.py"
    os.utime(path, (1_700_000_000.5, 1_700_000_000.5))
    documents, _ = read(folder)
    metadata = dict(documents["pkg/deep/code.py"].metadata)
    assert metadata == {
        "path": "pkg/deep/code.py", "folder": ["pkg", "pkg/deep"], "suffix": ".py",
        "modified": "2023-11-14T22:13:20Z", "size": path.stat().st_size,
        "when": "2023-11-14T22:13:20Z", "dated_by": "time of change",
    }  # fmt: skip
    assert parse_instant(metadata["modified"]) == 1_700_000_000 * 10**6
    assert documents["rows.csv/1"].metadata["year"] == 2001
    assert documents["rows.csv/1"].metadata["path"] == "rows.csv"


def test_the_metadata_of_a_document_does_not_hide_that_of_its_file(tmp_path: Path) -> None:
    write(tmp_path / "a.md", f"---\npath: mine\nbad: {2**100}\nyear: 2020\n---\nText.")
    documents, report = read(tmp_path)
    metadata = documents["a.md"].metadata
    assert (metadata["path"], metadata["document_path"], metadata["year"]) == ("a.md", "mine", 2020)
    assert "bad" not in metadata
    assert ["metadata 'bad'" in part.reason for part in report.refused] == [True]


# --- globs ---------------------------------------------------------------------------------------

NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda n: "/".join(n) + ".md")
WORDS = st.sampled_from(["*", "a", "b.md", "*.md", "?.md", "[ab]*"])


@given(st.lists(NAMES, max_size=9), st.lists(WORDS, max_size=3), st.lists(WORDS, max_size=3))
def test_globs_without_a_slash_match_a_name_at_any_depth(names, include, exclude) -> None:
    globs = reading_files.path_filter(ReadConfig(include or None, exclude or None))

    def matches(name: str, words: list[str]) -> bool:
        return any(fnmatchcase(part, word) for part in name.split("/") for word in words)

    for name in names:
        wanted = (not include or matches(name, include)) and not matches(name, exclude)
        assert globs(name) == wanted, name


def test_globs_with_a_slash_start_at_the_folder(folder: Path) -> None:
    documents, report = read(folder, include=["pkg/**"], exclude=["*.py"])
    assert list(documents) == ["pkg/README", "pkg/README.Debian"]
    assert report.kinds["excluded"] == 20
    with pytest.raises(InvalidParameter, match="expected globs"):
        read(folder, include=["!"])


# --- links, pipes, and what changes --------------------------------------------------------------


def test_no_link_leads_out_of_the_folder_or_in_a_circle(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "secret.txt", "Secret.")
    before, _ = read(folder)
    write(folder / ".data" / "kept.txt", "Kept.")
    for name, target in {
        "out.txt": tmp_path / "secret.txt", "up.txt": Path("..", "secret.txt"),
        "outside": tmp_path, "circle": folder, "self.txt": Path("self.txt"),
        "broken.txt": Path("nothing"), "again.md": Path("a.md"), "kept.txt": Path(".data/kept.txt"),
    }.items():  # fmt: skip
        (folder / name).symlink_to(target)
    documents, report = read(folder)
    assert documents.keys() - before.keys() == {"kept.txt"}  # as mounted configurations have it
    assert report.kinds["link out of the folder"] == 3
    assert report.kinds["broken link"] == 2
    assert report.kinds["link to a folder"] == 1
    assert report.kinds["link to a file that is read"] == 1


def test_pipes_and_files_without_permission_are_left_out(folder: Path, monkeypatch) -> None:
    os.mkfifo(folder / "pipe.txt")
    opened = os.open

    def refuse(path, *rest):
        if Path(path).name == "a.md":
            raise PermissionError(13, "Permission denied")
        return opened(path, *rest)

    monkeypatch.setattr(reading_files.os, "open", refuse)
    _, report = read(folder)
    reasons = {each.path: each.reason for each in report.left_out if each.kind == "unreadable"}
    assert reasons["a.md"] == "Permission denied"
    assert reasons["pipe.txt"].startswith("not a regular file")


@pytest.mark.parametrize("change", ["grow", "vanish", "link"])
def test_a_file_that_changes_while_it_is_read_is_left_out(
    folder: Path, tmp_path: Path, monkeypatch, change: str
) -> None:
    secret = write(tmp_path / "secret.txt", "Secret.")
    reading = reading_files.read_file

    def changed(path: Path, most: int, *more: int) -> reading_files.ReadFile:
        if path.name == "a.md" and change != "grow":
            path.unlink()
            if change == "link":
                path.symlink_to(secret)
        return reading(path, most, *more)

    status = os.fstat

    def grows(descriptor: int) -> os.stat_result:
        result = status(descriptor)
        if change == "grow" and os.path.samestat(result, (folder / "a.md").stat()):
            with (folder / "a.md").open("a") as file:
                file.write("more")
        return result

    monkeypatch.setattr("graphagg.rag.documents.reading.folder.read_file", changed)
    monkeypatch.setattr(reading_files.os, "fstat", grows)
    documents, report = read(folder)
    assert "a.md" not in documents
    kind = {each.path: each.kind for each in report.left_out}["a.md"]
    assert kind == ("changed" if change == "grow" else "unreadable")


def test_names_that_are_no_unicode_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "Text.")
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as file:
        file.write(b"Text.")
    documents, report = read(tmp_path)
    assert list(documents) == ["a.txt"]
    assert "rename it" in report.left_out[0].reason


def test_large_files_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "Text.")
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate(2**30)  # a sparse file of 1 GiB
    _, report = read(tmp_path)
    assert str(report.left_out[0]) == (
        "large.txt: too large: 1,024 MiB, more than max_file_size (64 MiB)"
    )
    write(tmp_path / "b.txt", "x" * (2**20 + 1))
    assert read(tmp_path, max_file_size=1)[1].kinds == {"too large": 2}
    assert "b.txt" in read(tmp_path, max_file_size=2)[0]


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", "", r"empty\.txt: empty; correct or exclude"),
        ("bad.pdf", b"%PDF-1.7", r"bad\.pdf: the PDF cannot be read"),
        ("rows.jsonl", "{", r"rows\.jsonl/1: not JSON"),
        ("p.pdf", files.pdf([["x"]], password="p"), r"p\.pdf: it needs a password"),
    ],
)
def test_strict_refuses_at_the_first_file(
    tmp_path: Path, name: str, content: bytes | str, message: str
) -> None:
    write(tmp_path / "a.txt", "Text.")
    write(tmp_path / ".hidden", "Text.")
    assert list(read(tmp_path, strict=True)[0]) == ["a.txt"]
    write(tmp_path / name, content)
    assert list(read(tmp_path)[0]) == ["a.txt"]
    with pytest.raises(UnreadableFile, match=message):
        read(tmp_path, strict=True)


def test_a_folder_without_anything_to_read_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(EmptyCorpus, match=r"the folder is empty; readable formats: txt, Markdown"):
        read(tmp_path)
    write(tmp_path / "x.png", b"\x89PNG\0")
    with pytest.raises(
        EmptyCorpus, match=r"left out: 1 binary \(\.png\); perhaps scans, .*: 1; readable"
    ):
        read(tmp_path)
    with pytest.raises(UnreadableFile, match="no such file or folder"):
        read(tmp_path / "nothing")


@pytest.mark.parametrize(("name", "package"), [("page.html", "lxml"), ("report.pdf", "pypdfium2")])
def test_a_missing_library_is_named_once(
    folder: Path, monkeypatch, name: str, package: str
) -> None:
    monkeypatch.setattr(reading_folder.kinds, "is_bounded", lambda name: False)
    write(folder / f"second-{name}", (folder / name).read_bytes())
    for module in [each for each in sys.modules if each.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    documents, report = read(folder)
    assert name not in documents
    assert "UPPER.MD" in documents or package == "lxml"
    suffix = Path(name).suffix
    assert report.kinds[f"for lack of a library ({suffix})"] == len([*folder.glob(f"*{suffix}")])
    assert package in report.notes[0]
    assert len(report.notes) == 1
    with pytest.raises(MissingExtra):
        read(folder, strict=True, include=[name])


@pytest.mark.parametrize("is_bounded", [True, False])
def test_a_converter_that_crashes_costs_one_file(
    folder: Path, monkeypatch, is_bounded: bool
) -> None:
    monkeypatch.setattr(reading_folder.kinds, "is_bounded", lambda name: is_bounded)
    write(folder / "report.pdf", b"%PDF-1.7" + bytes(99))
    documents, report = read(folder)
    assert "report.pdf" not in documents and "word.docx" in documents
    left = {each.path: each for each in report.left_out}["report.pdf"]
    assert left.reason.startswith("the PDF cannot be read (")


def test_one_file_is_read_as_well(folder: Path) -> None:
    documents, _ = read(folder / "report.pdf")
    assert list(documents) == ["report.pdf"]
    (passage,) = read_passages(folder / "a.md")
    assert (passage.id, passage.title) == ("a.md", "A heading")
