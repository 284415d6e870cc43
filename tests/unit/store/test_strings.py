"""Strings in compressed blocks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import CorruptArtifact
from graphagg.store import Artifact, open_artifact, write_artifact
from graphagg.store.manifest import Manifest
from graphagg.store.strings import BLOCK, BlockStrings, StringTable, write_strings

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def stored(strings: list[str], root: Path) -> Artifact:
    with write_artifact(root / "idx") as publication:
        write_strings(publication.writer.path("texts"), StringTable.pack(strings))
        publication.publish(Manifest(kind="strings"))
    return open_artifact(root / "idx")


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(TEXT, st.sampled_from([0, 1, 3, 2000])), max_size=30), st.data())
def test_any_string_is_read_by_itself(pairs: list[tuple[str, int]], data: st.DataObject) -> None:
    strings = [text * times for text, times in pairs]
    with tempfile.TemporaryDirectory() as root, stored(strings, Path(root)) as artifact:
        table = BlockStrings.open(artifact.array, artifact.folder / "texts")
        assert list(table) == strings and len(table) == len(strings)
        order = data.draw(st.permutations(range(len(strings))))
        assert [table[i] for i in order] == [strings[i] for i in order]
        assert table[1:4] == strings[1:4]
        rows = np.array(order[: len(order) // 2], np.int64)
        assert list(table.take(rows)) == [strings[i] for i in rows.tolist()]
        # What was read is written as it was: a version is the same from either.
        with write_artifact(Path(root) / "again") as publication:
            write_strings(publication.writer.path("texts"), table)
            again = publication.publish(Manifest(kind="strings"))
        assert again.files == artifact.manifest.files
        with pytest.raises(IndexError):
            table[len(strings)]


def test_long_strings_have_blocks_of_their_own(tmp_path: Path) -> None:
    strings = ["a" * BLOCK, "b" * 3 * BLOCK, "", "c"]
    with stored(strings, tmp_path) as artifact:
        assert artifact.array("texts.blocks")[:, 0].tolist() == [0, 1, 2]
        assert list(BlockStrings.open(artifact.array, artifact.folder / "texts")) == strings


def test_a_damaged_block_is_an_error_that_names_it(tmp_path: Path) -> None:
    with stored(["some text"] * 9, tmp_path) as artifact:
        data = np.array(artifact.array("texts.zlib"))
        parts = artifact.array("texts.blocks"), artifact.array("texts.offsets")
    data[0] ^= 0xFF
    with pytest.raises(CorruptArtifact, match=r"somewhere: block 0 .*build the index again"):
        BlockStrings(data, *parts, "somewhere")[3]
