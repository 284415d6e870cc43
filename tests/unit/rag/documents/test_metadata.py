"""Metadata as files, and metadata that cannot be kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
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
    (path,) = tmp_path.glob("v-*/*")
    assert path.name == "segment-0.metadata.arrow"
    before = pa.total_allocated_bytes()
    with open_artifact(tmp_path) as artifact:
        mapped = MetadataTable.open(artifact, "segment-0.metadata", 50)
    assert mapped.schema == table.schema
    assert pa.total_allocated_bytes() == before  # the file's pages, not a copy
    codes = mapped._column("../key 7\n", "number").codes
    assert not codes.flags.writeable and not codes.flags.owndata
    hits = compile_filter({"../key 7\n": 7, "tags": "b"}, table.schema).mask(table)
    assert np.flatnonzero(hits).tolist() == [7]


def test_equal_metadata_gives_equal_files(tmp_path: Path) -> None:
    rows: list[Row] = [{"b": "x", "a": 1}, {"a": 2.5, "b": "y"}]
    digests = []
    for name, given_rows in (("1", rows), ("2", [dict(sorted(r.items())) for r in rows])):
        reopened(MetadataTable.build(given_rows), tmp_path / name)
        digests.append((tmp_path / name / "manifest.json").read_bytes())
    assert digests[0] == digests[1]


@pytest.mark.parametrize("altered", [(b"codes", b"kodes"), (b"ARROW1", b"ARROW2")])
def test_an_altered_head_is_named(tmp_path: Path, altered: tuple[bytes, bytes]) -> None:
    reopened(MetadataTable.build([{"a": 1}]), tmp_path)
    path = next(tmp_path.glob("v-*/segment-0.metadata.arrow"))
    path.write_bytes(path.read_bytes().replace(*altered))
    with (
        open_artifact(tmp_path) as artifact,
        pytest.raises(CorruptArtifact, match=r"metadata\.arrow: bad content \("),
    ):
        _ = MetadataTable.open(artifact, "segment-0.metadata", 1).schema


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({1: "a"}, "metadata key 1: a int, expected a string"),
        ({"a": "\ud800"}, "metadata key 'a': the key or a value contains a lone surrogate"),
        ({"a": ["\ud800"]}, "lone surrogate"),
        ({"\ud800": 1}, r"metadata key '\\ud800'.*lone surrogate"),
    ],
)
def test_metadata_that_cannot_be_kept(row: Row, message: str) -> None:
    with pytest.raises(InvalidPassage, match=message):
        MetadataTable.build([row])
