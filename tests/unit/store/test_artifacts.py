"""The artifact directory: what is written is read, damage is named, readers keep theirs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.errors import (
    ArtifactBusy,
    ArtifactError,
    CorruptArtifact,
    NotAnArtifact,
    UnsupportedFormat,
)
from graphagg.store import open_artifact, write_artifact
from graphagg.store.manifest import Manifest, read_manifest
from graphagg.store.strings import StringTable


def publish(directory: Path, value: int = 1) -> Manifest:
    with write_artifact(directory) as publication:
        publication.writer.array("numbers", np.full((3, 2), value, dtype=np.int32))
        publication.writer.array("empty", np.zeros((0, 4), dtype=np.float32))
        publication.writer.strings("names", ["ä", "", "z" * value])
        return publication.publish(Manifest(kind="test", counts={"value": value}))


def edit_manifest(directory: Path, **changes: object) -> None:
    path = directory / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_is_published_is_opened(tmp_path: Path) -> None:
    manifest = publish(tmp_path / "a" / "idx", 7)
    with open_artifact(tmp_path / "a" / "idx", kind="test", verify=True) as artifact:
        assert artifact.manifest == manifest
        numbers = artifact.array("numbers")
        assert numbers.tolist() == [[7, 7]] * 3 and not numbers.flags.writeable
        assert artifact.array("empty").shape == (0, 4)
        assert list(artifact.strings("names")) == ["ä", "", "zzzzzzz"]
    entries = {path.name for path in (tmp_path / "a" / "idx").iterdir()}
    assert entries == {"manifest.json", ".lock", manifest.data}


def test_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    assert publish(tmp_path / "a") == publish(tmp_path / "b")
    read = [(tmp_path / name / "manifest.json").read_bytes() for name in "ab"]
    assert read[0] == read[1]


def test_publishing_again_replaces_and_removes_the_old_version(tmp_path: Path) -> None:
    old = publish(tmp_path, 1)
    new = publish(tmp_path, 2)
    assert old.data != new.data
    assert read_manifest(tmp_path) == new
    assert not (tmp_path / old.data).exists()


def test_a_reader_keeps_its_version_until_it_closes(tmp_path: Path) -> None:
    old = publish(tmp_path, 1)
    reader = open_artifact(tmp_path)
    publish(tmp_path, 2)
    assert (tmp_path / old.data).exists()
    assert reader.array("numbers")[0, 0] == 1  # mapped only now
    publish(tmp_path, 3)
    assert (tmp_path / old.data).exists()
    reader.close()
    publish(tmp_path, 4)
    assert not (tmp_path / old.data).exists()


def test_an_exception_in_a_build_leaves_the_old_version(tmp_path: Path) -> None:
    old = publish(tmp_path)
    with pytest.raises(KeyboardInterrupt), write_artifact(tmp_path) as publication:
        publication.writer.array("numbers", np.zeros(3))
        raise KeyboardInterrupt
    open_artifact(tmp_path, verify=True).close()
    assert {p.name for p in tmp_path.iterdir()} == {"manifest.json", ".lock", old.data}


def test_an_exception_in_a_first_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write_artifact(tmp_path / "new"):
        raise KeyboardInterrupt
    assert not (tmp_path / "new").exists()


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    publish(tmp_path)
    with (
        write_artifact(tmp_path),
        pytest.raises(ArtifactBusy, match="another process"),
        write_artifact(tmp_path),
    ):
        pass


@pytest.mark.parametrize("found", ["missing", "folder", "file"])
def test_what_is_no_index_is_named(tmp_path: Path, found: str) -> None:
    path = tmp_path / "idx"
    if found == "folder":
        path.mkdir()
    if found == "file":
        path.write_text("text")
    with pytest.raises(NotAnArtifact, match="wanted a graphagg index"):
        open_artifact(path)


def test_another_kind_is_named(tmp_path: Path) -> None:
    publish(tmp_path)
    with pytest.raises(NotAnArtifact, match=r"kind 'test', wanted 'passages'"):
        open_artifact(tmp_path, kind="passages")


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    publish(tmp_path)
    edit_manifest(tmp_path, format_version=2)
    with pytest.raises(UnsupportedFormat, match=r"format version 2.*reads 1"):
        open_artifact(tmp_path)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": "other"}', '{"format": "graphagg", "format_version": 1}']
)
def test_a_broken_manifest_is_named(tmp_path: Path, content: str) -> None:
    publish(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        open_artifact(tmp_path)


@pytest.mark.parametrize("data", ["../elsewhere", "/etc", "v-0123456789abcdef/../.."])
def test_a_manifest_cannot_lead_outside(tmp_path: Path, data: str) -> None:
    publish(tmp_path)
    edit_manifest(tmp_path, data=data)
    with pytest.raises(CorruptArtifact):
        open_artifact(tmp_path)


def test_a_file_name_cannot_lead_outside(tmp_path: Path) -> None:
    publish(tmp_path)
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    edit_manifest(tmp_path, files={"../x.npy": files["numbers.npy"]})
    with pytest.raises(CorruptArtifact, match="file name"):
        open_artifact(tmp_path)


def test_half_an_index_is_named(tmp_path: Path) -> None:
    data = publish(tmp_path).data
    (tmp_path / data / "numbers.npy").unlink()
    with pytest.raises(CorruptArtifact, match=r"numbers\.npy: missing"):
        open_artifact(tmp_path)
    shutil.rmtree(tmp_path / data)
    with pytest.raises(CorruptArtifact, match="data folder is missing"):
        open_artifact(tmp_path)


def test_a_file_of_another_size_is_found_by_open(tmp_path: Path) -> None:
    path = tmp_path / publish(tmp_path).data / "numbers.npy"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptArtifact, match=r"151 bytes, the manifest says 152"):
        open_artifact(tmp_path)


def test_another_array_header_is_found_by_open(tmp_path: Path) -> None:
    path = tmp_path / publish(tmp_path).data / "numbers.npy"
    path.write_bytes(path.read_bytes().replace(b"(3, 2)", b"(2, 3)"))
    with pytest.raises(CorruptArtifact, match="dtype and shape"):
        open_artifact(tmp_path)


def test_an_altered_file_is_found_by_verify(tmp_path: Path) -> None:
    path = tmp_path / publish(tmp_path).data / "numbers.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    artifact = open_artifact(tmp_path)
    with pytest.raises(CorruptArtifact, match="sha256"):
        artifact.verify()
    with pytest.raises(CorruptArtifact, match="sha256"):
        open_artifact(tmp_path, verify=True)


def test_building_the_same_again_repairs_an_altered_file(tmp_path: Path) -> None:
    path = tmp_path / publish(tmp_path).data / "numbers.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    publish(tmp_path)
    open_artifact(tmp_path, verify=True).close()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"thesis\.tex"), write_artifact(tmp_path):
        pass
    with (
        pytest.raises(ArtifactError, match="a file, wanted a folder"),
        write_artifact(tmp_path / "thesis.tex"),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_string_table_gives_back_what_was_packed(strings: list[str]) -> None:
    table = StringTable.pack(strings)
    assert list(table) == strings and table[:] == strings
    ordered = sorted(set(strings), key=lambda s: s.encode())
    by_bytes = StringTable.pack(ordered)
    assert [by_bytes.find_sorted(s) for s in ordered] == list(range(len(ordered)))
    assert by_bytes.find_sorted("absent" + "".join(strings)) is None
