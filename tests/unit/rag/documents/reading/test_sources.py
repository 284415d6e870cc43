"""Sources that are addresses: equal to the folder, also after changes; plug-ins."""

from __future__ import annotations

import gzip
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from graphagg.errors import InvalidParameter, InvalidPassage, UnreadableFile
from graphagg.rag import Document, FolderReport, PassageIndex, ReadConfig, read_documents
from graphagg.rag.documents.reading import sources
from graphagg.store.remote.files import Store
from tests.unit.commands import Answer

ROOT = Path(__file__).parents[5]
FILES = {
    "a.md": b"# Pumps\n\nThe pump P-7 stands in Oslo.\n",
    "b/c.txt": b"The valve of P-7 is changed every year.\n",
    "b/d/table.csv": b"id,text\n1,The seal of P-7 leaks.\n2,The seal of P-8 holds.\n",
    "b/page.html": b"<html><body><p>Oslo is wet.</p></body></html>",
    ".hidden/x.md": b"nothing to see\n",
    "b/.y.md": b"nothing to see\n",
    "b/packed.md.gz": gzip.compress(b"# Seals\n\nThe seal of P-9 holds.\n" * 2_000),
    "movie.bin": b"\0\1\2" * 1000,
    "empty.md": b"",
    "large.txt": b"words " * 200_000,
    "\u00e5.md": "Ærlig talt.".encode(),
}
CONFIG = ReadConfig(max_file_size=1, exclude=["b/page.html"])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHAGG_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of what is read from stores."""
    names: list[str] = []
    read = Store.read

    def noted(store: Store, name: str, *bounds: int) -> bytes:
        names.append(name)
        return read(store, name, *bounds)

    monkeypatch.setattr(Store, "read", noted)
    yield names


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        os.utime(folder / name, (1e9, 1e9))


def documents(source: object, config: ReadConfig = CONFIG) -> tuple[list[Document], FolderReport]:
    report = FolderReport()
    return list(read_documents(source, config, report)), report  # type: ignore[arg-type]


def test_a_folder_at_an_address_is_that_folder_also_after_changes(
    tmp_path: Path, fetched: list[str]
) -> None:
    folder = tmp_path / "docs"
    write(folder, FILES)
    address = f"local://{folder}"
    assert documents(address) == documents(folder)
    assert sorted(fetched) == [
        "a.md",
        "b/c.txt",
        "b/d/table.csv",
        "b/packed.md.gz",
        "movie.bin",
        "\u00e5.md",
    ]
    fetched.clear()
    assert documents(address) == documents(folder) and fetched == []
    write(folder, {"a.md": b"# Pumps\n\nThe pump P-9 stands in Bergen.\n", "new/e.md": b"New."})
    os.utime(folder / "a.md", (2e9, 2e9))
    (folder / "b/c.txt").rename(folder / "c.txt")
    (folder / "b/d/table.csv").unlink()
    write(folder, {"b/d.md": b"Where a folder was."})
    assert documents(address) == documents(folder)
    assert sorted(fetched) == ["a.md", "b/d.md", "c.txt", "new/e.md"]
    assert documents(address, ReadConfig()) == documents(folder, ReadConfig())  # more is fetched


def test_an_interrupted_mirror_goes_on(
    tmp_path: Path, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "docs"
    write(folder, {"a.md": b"First.", "b.md": b"Second."})
    documents(f"local://{folder}")
    write(folder, {"b.md": b"Second, changed.", "c.md": b"Third."})
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(
            sources._Mirror, "_fetch", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        documents(f"local://{folder}")
    fetched.clear()
    assert documents(f"local://{folder}") == documents(folder)
    assert sorted(fetched) == ["b.md", "c.md"]


def test_files_of_an_archive_and_a_single_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "docs.zip", "w") as archive:
        for name in ("a.md", "b/c.txt"):
            archive.writestr(f"docs/{name}", FILES[name])
    read, report = documents(f"zip://docs::{tmp_path}/docs.zip")
    assert [each.id for each in read] == ["a.md", "b/c.txt"] and report.complete
    assert read[0].metadata["modified"][:2] == "20"
    write(tmp_path / "docs", FILES)
    (single,), _ = documents(f"local://{tmp_path}/docs/a.md")
    assert single.id == "a.md" and single.text == read[0].text


def test_names_that_no_file_can_have_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "docs", {"a.md": b"First."})
    listed = Store.listed

    def hostile(store: Store, folder: str = "") -> dict:
        (info,) = listed(store).values()
        names = (
            "a.md",
            "../../x.md",
            "/etc/y.md",
            "b//c.md",
            "d/../e.md",
            "f\\g.md",
            "h",
            "h/i.md",
        )
        return dict.fromkeys((*names, "dir/", f"{'n' * 300}.md"), info)

    monkeypatch.setattr(Store, "listed", hostile)
    monkeypatch.setattr(Store, "read", lambda *_: b"Text.")
    read, report = documents(f"local://{tmp_path}/docs")
    assert [each.id for each in read] == ["a.md", "h/i.md"]
    assert len(report.left_out) == 7 and report.kinds == {"unreadable": 7}
    assert not (tmp_path / "x.md").exists() and len(list(tmp_path.rglob("x.md"))) == 0
    with pytest.raises(UnreadableFile, match="rename or exclude it"):
        documents(f"local://{tmp_path}/docs", ReadConfig(strict=True))


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("local://{}/absent", UnreadableFile, "no such file or folder"),
        ("nothing://a/b", InvalidParameter, "nothing://a/b: .*expected the address of a store"),
    ],
)
def test_wrong_addresses(tmp_path: Path, address: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        documents(address.format(tmp_path))


def test_a_password_is_neither_shown_nor_recorded(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter) as caught:
        documents("nothing://me:secret@host/docs")
    assert "secret" not in str(caught.value) and "nothing://host/docs" in str(caught.value)


def broken(address: str) -> Iterator[object]:
    yield {"id": "a"} if address.endswith("mapping") else Document("a", "b", "", {"readers": "x"})


@pytest.fixture
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The source of the guide, installed; and one that yields what it should not."""
    guide = (ROOT / "docs" / "guides" / "documents.md").read_text(encoding="utf-8")
    (code,) = re.findall(r'```python title="wiki_source.py"\n(.*?)```', guide, re.DOTALL)
    (entry,) = re.findall(r'graphagg.sources"\]\n(wiki = .*)\n', guide)
    installed = tmp_path / "installed" / "wiki_source-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: wiki-source\nVersion: 1\n")
    entries = ["[graphagg.sources]", entry.replace('"', ""), f"broken = {__name__}:broken"]
    (installed / "entry_points.txt").write_text("\n".join(entries) + "\n")
    (installed.parent / "wiki_source.py").write_text(code)
    monkeypatch.syspath_prepend(installed.parent)


def test_a_source_of_ones_own_yields_documents_with_readers(plugins: None, tmp_path: Path) -> None:
    read, report = documents("wiki://team")
    assert [each.id for each in read] == ["team/plan", "team/wages"]
    assert (report.read, report.documents) == (2, 2)
    with PassageIndex.build(read, tmp_path / "idx", profile="fast") as index:
        sales = {"readers": {"in": ["*", "sales"]}}
        assert [hit.passage.id for hit in index.retrieve("plan", filter=sales)] == ["team/plan"]
    for name in ("mapping", "readers"):
        with pytest.raises(InvalidPassage, match=r"expected a (Document|list of names)"):
            documents(f"broken://{name}")


def test_commands_take_addresses(
    plugins: None, tmp_path: Path, call: Callable[..., Answer]
) -> None:
    folder, index = tmp_path / "docs", tmp_path / "idx"
    write(folder, {"a.md": b"Ada met Byron.", "b.md": b"Babbage built an engine."})
    assert call("rag", "index", f"local://{folder}", "--out", index, "--json").code == 0
    (folder / "b.md").unlink()
    write(folder, {"c.md": b"London lies on the Thames."})
    said = call("rag", "sync", index, "--yes", "--json").json
    assert (said["added"], said["removed"], said["unchanged"]) == (1, 1, 1)
    assert call("rag", "add", index, "wiki://team", "--json").json["added"] == 2
