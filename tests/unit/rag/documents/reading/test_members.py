"""Files inside of zip archives and mails: as in a folder, within limits, none lost in silence."""

from __future__ import annotations

import os
import stat
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.rag.documents.reading import members
from tests.unit.rag.documents.reading.files import docx, eml, read, write, xlsx, zipped

NAMES = st.sampled_from(["a.md", "b/ü.txt", "b/c/d.html", "t.csv", "e.eml", "in.zip"])
FACTS = {"path", "folder", "size", "modified"}


def content(name: str) -> bytes:
    return {
        "t.csv": b"id,text\n7,Seven pumps.\n8,Eight.\n",
        "e.eml": eml(
            "Keys", "The keys are here.", {"p.xlsx": xlsx({"P": [["A", "B"], ["c", "d"]]})}
        ),
        "in.zip": zipped({"x/y.md": "# Deep\n\nA text below.", "x/z.md": "[up](y.md#deep)"}),
    }.get(name, f"# Title of {name}\n\nText of {name}.\n".encode())


@settings(max_examples=8, deadline=None)
@given(st.sets(NAMES, min_size=1))
def test_an_archive_is_read_as_its_folder(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    root, sink = tmp_path_factory.mktemp("zip"), BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in names:
            write(root / "folder" / name, content(name))
            archive.writestr(name, content(name))
    write(root / "zip" / "a.zip", sink.getvalue())
    for path in root.rglob("*"):  # a second may pass between two files
        os.utime(path, (1e9, 1e9))
    plain, inside = read(root / "folder")[0], read(root / "zip")[0]
    assert inside.keys() == {f"a.zip/{name}" for name in plain}
    for name, document in plain.items():
        other = inside[f"a.zip/{name}"]
        assert (other.text, other.title, other.marks) == (
            document.text,
            document.title,
            document.marks,
        )
        assert [(f"a.zip/{link.target}", link.anchor) for link in document.links] == [
            (link.target, link.anchor) for link in other.links
        ]
        of_text = {key: document.metadata[key] for key in document.metadata.keys() - FACTS}
        assert of_text == {key: other.metadata[key] for key in other.metadata.keys() - FACTS}
        assert other.metadata["path"] == f"a.zip/{document.metadata['path']}"
        assert other.metadata["folder"][0] == "a.zip"


def faults(folder: Path, **config: int) -> dict[str, str]:
    write(folder / "b.txt", "Text.")
    documents, report = read(folder, **config)
    assert documents.keys() >= {"b.txt"}
    return {
        each.path: f"{each.kind}: {each.reason}" for each in (*report.refused, *report.left_out)
    }


def test_what_is_left_out_of_an_archive_is_named(tmp_path: Path) -> None:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        link = zipfile.ZipInfo("link.md")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        for name in ("../up.md", "/root.md", "C:/c.md", "x/../../y.md", "..\\w.md", ".git/a.md",
                     "__MACOSX/a.md", "q.bin", "a.md", "a.md/b.md", "empty.md", "bad.docx",
        ):  # fmt: skip
            archive.writestr(name, "" if name == "empty.md" else f"Text of {name}.")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.md", "Another text.")
        archive.writestr("lzma.md", "Text.", zipfile.ZIP_LZMA)
    write(tmp_path / "z.zip", sink.getvalue())
    found = faults(tmp_path)
    assert read(tmp_path)[0].keys() == {"b.txt", "z.zip/a.md"}
    for path, reason in {
        "../up.md": "outside the archive", "/root.md": "outside", "C:/c.md": "outside",
        "x/../../y.md": "outside", "../w.md": "outside", "link.md": "links inside",
        ".git/a.md": "hidden",
        "__MACOSX/a.md": "hidden", "q.bin": "of unknown kind", "a.md": "another file has its name",
        "a.md/b.md": "folder above", "lzma.md": "compressed by method 14", "bad.docx": "broken",
        "empty.md": "empty",
    }.items():  # fmt: skip
        assert reason in found[f"z.zip/{path}"], path


def nested(depth: int) -> bytes:
    inner = zipped({"a.md": "Deep text."})
    for _ in range(depth):
        inner = members_zip({"n.zip": inner})
    return inner


def members_zip(files: dict[str, bytes]) -> bytes:
    sink = BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return sink.getvalue()


def test_limits_hold_for_all_that_a_file_contains(tmp_path: Path) -> None:
    many = {f"{i:05}.md": f"Text {i}." for i in range(members.MAX_FILES + 5)}
    halves = {
        f"{i}.zip": members_zip({f"{j}.txt": b"word " * 100_000 for j in range(2)})
        for i in range(3)
    }
    write(tmp_path / "deep.zip", nested(members.MAX_DEPTH + 1))
    write(tmp_path / "bomb.zip", members_zip({"a.txt": b"0" * (3 << 20), "b.txt": b"Text."}))
    write(tmp_path / "halves.zip", members_zip(halves))
    write(tmp_path / "many.zip", zipped(many))
    write(tmp_path / "cut.zip", zipped({"a.md": "Text."})[:40])
    write(tmp_path / "office.zip", docx())
    found = faults(tmp_path, max_file_size=2)
    path = f"deep.zip/{'n.zip/' * (members.MAX_DEPTH)}n.zip"
    assert "nested more than 4 deep" in found[path]
    assert "unpack to more than 2,097,152 bytes" in found["bomb.zip/a.txt"]
    assert "unpack to more than" in found["halves.zip/2.zip/0.txt"]
    assert "more than 10,000 files inside" in found[f"many.zip/{members.MAX_FILES:05}.md"]
    assert found["cut.zip"].startswith("broken: the zip archive cannot be read")
    assert found["office.zip"].startswith("misnamed: ")
    assert len(found) < 20  # one fault for all that comes after a limit
