"""Metadata as files, and metadata that cannot be kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graphagg.errors import CorruptArtifact, InvalidPassage
from graphagg.rag.documents.filters import compile_filter
from graphagg.rag.documents.metadata import MetadataTable
from graphagg.store import open_artifact
from tests.unit.rag.documents.filter_cases import Row, reopened


def test_files_are_few_mapped_and_free_of_the_keys_names(tmp_path: Path) -> None:
    rows: list[Row] = [
        {f"../key {i}\n": i, "tags": ["a", "b"], "when": "2024-05-01"} for i in range(50)
    ]
    table = reopened(MetadataTable.build(rows), tmp_path)
    assert len(list(tmp_path.glob("v-*/*"))) == 9
    codes = table.columns["tags"].codes
    assert table.columns["tags"].rows is None and not codes.flags.writeable
    assert codes.base is not None and isinstance(codes.base.base, np.memmap)
    hits = compile_filter({"../key 7\n": 7, "tags": "b"}, table.schema).mask(table)
    assert np.flatnonzero(hits).tolist() == [7]


def test_equal_metadata_gives_equal_files(tmp_path: Path) -> None:
    rows: list[Row] = [{"b": "x", "a": 1}, {"a": 2.5, "b": "y"}]
    digests = []
    for name, given_rows in (("1", rows), ("2", [dict(sorted(r.items())) for r in rows])):
        reopened(MetadataTable.build(given_rows), tmp_path / name)
        digests.append((tmp_path / name / "manifest.json").read_bytes())
    assert digests[0] == digests[1]


def test_an_altered_head_is_named(tmp_path: Path) -> None:
    reopened(MetadataTable.build([{"a": 1}]), tmp_path)
    path = next(tmp_path.glob("v-*/segment-0.metadata.json"))
    path.write_bytes(path.read_bytes().replace(b'"columns"', b'"kolumns"'))
    with (
        open_artifact(tmp_path) as artifact,
        pytest.raises(CorruptArtifact, match=r"metadata\.json: bad content \(KeyError"),
    ):
        MetadataTable.open(artifact, "segment-0.metadata")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({1: "a"}, "metadata key 1: a int, wanted a string"),
        ({"a": "\ud800"}, "metadata key 'a': it or one of its values holds a lone surrogate"),
        ({"a": ["\ud800"]}, "lone surrogate"),
        ({"\ud800": 1}, r"metadata key '\\ud800'.*lone surrogate"),
    ],
)
def test_metadata_that_cannot_be_kept(row: Row, message: str) -> None:
    with pytest.raises(InvalidPassage, match=message):
        MetadataTable.build([row])
