"""The artifact directory: what is written is read, damage is named, readers keep theirs."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

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
from graphagg.store import layout, open_artifact, verify_at, write_artifact
from graphagg.store.layout import array, bounds, strings
from graphagg.store.manifest import Manifest, read_manifest
from graphagg.store.remote.pushing import push
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


def test_publishing_again_replaces_what_no_reader_holds(tmp_path: Path) -> None:
    old = publish(tmp_path, 1)
    reader = open_artifact(tmp_path)
    for value in (2, 3):
        new = publish(tmp_path, value)
        assert read_manifest(tmp_path) == new != old and (tmp_path / old.data).exists()
    assert reader.array("numbers")[0, 0] == 1  # mapped only now
    reader.close()
    publish(tmp_path, 4)
    assert not (tmp_path / old.data).exists() and not (tmp_path / new.data).exists()


def test_an_exception_in_a_build_leaves_what_was_there(tmp_path: Path) -> None:
    old = publish(tmp_path / "old")
    for folder in ("old", "new"):
        with pytest.raises(KeyboardInterrupt), write_artifact(tmp_path / folder) as publication:
            publication.writer.array("numbers", np.zeros(3))
            raise KeyboardInterrupt
    open_artifact(tmp_path / "old", verify=True).close()
    entries = {path.name for path in (tmp_path / "old").iterdir()}
    assert entries == {"manifest.json", ".lock", old.data} and not (tmp_path / "new").exists()


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
    with pytest.raises(NotAnArtifact, match="expected a graphagg index"):
        open_artifact(path)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"format": "other"}', '{"format": "graphagg", "format_version": 1}']
)
def test_a_broken_manifest_is_named(tmp_path: Path, content: str) -> None:
    publish(tmp_path)
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        open_artifact(tmp_path)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"kind": "other"}, NotAnArtifact, "kind 'other', expected 'test'"),
        ({"format_version": 2}, UnsupportedFormat, "format version 2.*reads 1"),
        ({"data": "../elsewhere"}, CorruptArtifact, "data folder"),
        ({"data": "/etc"}, CorruptArtifact, "data folder"),
        ({"data": "v-0123456789abcdef/../.."}, CorruptArtifact, "data folder"),
        ({"files": {"../x.npy": {"bytes": 1, "sha256": "0" * 64}}}, CorruptArtifact, "file name"),
    ],
)
def test_a_manifest_of_something_else_is_named(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    publish(tmp_path)
    edit_manifest(tmp_path, **changes)
    with pytest.raises(error, match=message):
        open_artifact(tmp_path, kind="test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (None, r"numbers\.npy: missing"),
        (lambda content: content[:-1], "151 bytes, the manifest lists 152"),
        (lambda content: content.replace(b"(3, 2)", b"(2, 3)"), "dtype and shape"),
    ],
)
def test_half_an_index_is_found_by_open(tmp_path: Path, change: Any, message: str) -> None:
    path = tmp_path / publish(tmp_path).data / "numbers.npy"
    content = path.read_bytes()
    path.unlink()
    if change is not None:
        path.write_bytes(change(content))
    with pytest.raises(CorruptArtifact, match=message):
        open_artifact(tmp_path)
    shutil.rmtree(path.parent)
    with pytest.raises(CorruptArtifact, match="data folder is missing"):
        open_artifact(tmp_path)


def test_an_altered_file_is_found_by_verify_and_repaired_by_the_same_build(tmp_path: Path) -> None:
    path = tmp_path / publish(tmp_path).data / "numbers.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    artifact = open_artifact(tmp_path)
    with pytest.raises(CorruptArtifact, match="sha256"):
        artifact.verify()
    with pytest.raises(CorruptArtifact, match="sha256"):
        open_artifact(tmp_path, verify=True)
    publish(tmp_path)
    open_artifact(tmp_path, verify=True).close()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtifactError, match=r"thesis\.tex"), write_artifact(tmp_path):
        pass
    with (
        pytest.raises(ArtifactError, match="a file, expected a folder"),
        write_artifact(tmp_path / "thesis.tex"),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("name", ["manifest.json", "version", "numbers.npy"])
@pytest.mark.parametrize("make", [os.symlink, os.mkfifo])
def test_a_link_or_a_pipe_in_an_index_is_refused(tmp_path: Path, name: str, make: Any) -> None:
    data = publish(tmp_path / "idx").data
    path = tmp_path / "idx" / {"manifest.json": name, "version": data}.get(name, f"{data}/{name}")
    outside = path.rename(tmp_path / "outside")
    make(path) if make is os.mkfifo else make(outside, path)
    for read in (open_artifact, verify_at, lambda folder: push(folder, "memory://refused")):
        with pytest.raises(CorruptArtifact, match=r"link|regular file|folder is missing"):
            read(tmp_path / "idx")


def test_an_index_may_be_reached_by_a_link(tmp_path: Path) -> None:
    publish(tmp_path / "idx")
    (tmp_path / "link").symlink_to(tmp_path / "idx")
    open_artifact(tmp_path / "link").close()


RULES = [
    bounds("starts", "n", "entries"),
    array("columns", "<i4", "entries", least=0, below="n", rows="starts"),
    array("flags", "|b1", "n"),
    array("weights", "<f8", "entries", least=5e-324),
    *strings("names", "n"),
]


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("starts", np.array([0, 3, 2, 4]), "descend"),
        ("starts", np.array([1, 2, 3, 4]), "descend"),
        ("starts", np.array([0, 2, 3, 5]), "the last offset is 5"),
        ("starts", np.array([0, 2, 3, 4], "<i4"), "dtype <i4"),
        ("starts", np.array([[0, 2, 3, 4]]), r"shape \(1, 4\)"),
        ("columns", np.array([0, 3, 1, 2], "<i4"), "holds 3"),
        ("columns", np.array([0, -1, 1, 2], "<i4"), "holds -1"),
        ("columns", np.array([1, 1, 1, 2], "<i4"), "do not ascend within a row"),
        ("columns", np.zeros((4, 1), "<i4"), "shape"),
        ("flags", np.array([0, 2, 1], "|u1").view("|b1"), "holds 2"),
        ("weights", np.array([1, 0.0, 1, 1]), "holds 0"),
        ("weights", np.array([1, np.nan, 1, 1]), "holds nan"),
        ("weights", np.array([1, np.inf, 1, 1]), "holds inf"),
        ("names.offsets", np.array([0, 1, 2, 4]), "the last offset is 4"),
        ("names.utf8", None, "does not list this array"),
    ],
)
def test_arrays_that_break_a_rule_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, values: Any, message: str
) -> None:
    arrays = {
        "starts": np.array([0, 2, 3, 4]),
        "columns": np.array([0, 2, 1, 2], "<i4"),
        "flags": np.array([True, False, True]),
        "weights": np.array([1, 5e-324, 1e300, 1]),
        "names.utf8": np.array([97, 98, 99], "|u1"),
        "names.offsets": np.array([0, 1, 2, 3]),
    }
    for altered in ({}, {name: values}):
        with write_artifact(tmp_path) as publication:
            for each, content in {**arrays, **altered}.items():
                if content is not None:
                    publication.writer.array(each, content)
            publication.publish(Manifest("test"))
        for block, large in ((8, 1 << 20), (8, 0), (1 << 20, 0)):
            monkeypatch.setattr(layout, "_BLOCK", block)
            monkeypatch.setattr(layout, "_LARGE", large)
            with open_artifact(tmp_path) as artifact:
                if altered:
                    with pytest.raises(CorruptArtifact, match=rf"{name}\.npy: .*{message}"):
                        artifact.declare(RULES)
                        artifact.check_values()
                else:
                    assert artifact.declare(RULES)["n"] == 3
                    artifact.check_values()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_string_table_gives_back_what_was_packed(strings: list[str]) -> None:
    table = StringTable.pack(strings)
    assert list(table) == strings and table[:] == strings
    ordered = sorted(set(strings), key=lambda s: s.encode())
    by_bytes = StringTable.pack(ordered)
    assert [by_bytes.find_sorted(s) for s in ordered] == list(range(len(ordered)))
    assert by_bytes.find_sorted("absent" + "".join(strings)) is None
