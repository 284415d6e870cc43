"""Rows of any table are the same passages: files, frames, other names of columns, own vectors."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from graphagg.errors import InvalidPassage, UnreadableFile
from graphagg.rag import Passage, PassageIndex, RowConfig, read_passages
from tests.fakes import FakeEncoder, FakeExtractor
from tests.unit.commands import Answer

ROWS = [
    {"number": 7, "body": "Ada met Byron.", "name": "Ada", "year": 1833},
    {"number": 8, "body": "Babbage; built an\nengine.", "name": None, "year": None},
    {"number": 10, "body": 'The "Thames" is long.', "name": "Thames", "year": 1840},
]
NAMED = RowConfig("number", "body", "name")
WANTED = [
    Passage("7", "Ada met Byron.", "Ada", {"year": 1833}),
    Passage("8", "Babbage; built an\nengine.", "", {"year": None}),
    Passage("10", 'The "Thames" is long.', "Thames", {"year": 1840}),
]


def jsonl(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


FILES: dict[str, Callable[[Path], Any]] = {
    "p.jsonl": jsonl,
    "p.json": lambda path: path.write_text(json.dumps(ROWS)),
    "p.csv": lambda path: pa.csv.write_csv(pa.Table.from_pylist(ROWS), path),
    "semicolons.csv": lambda path: pd.DataFrame(ROWS).to_csv(path, sep=";", index=False),
    "P.TSV": lambda path: pd.DataFrame(ROWS).to_csv(path, sep="\t", index=False),
    "p.parquet": lambda path: pq.write_table(pa.Table.from_pylist(ROWS), path),
}
TABLES: dict[str, Callable[[], Any]] = {
    "dicts": lambda: ROWS,
    "arrow": lambda: pa.Table.from_pylist(ROWS),
    "stream": lambda: pa.RecordBatchReader.from_batches(
        (table := pa.Table.from_pylist(ROWS)).schema, table.to_batches(1)
    ),
    "polars": lambda: pl.DataFrame(ROWS),
    "pandas": lambda: pd.DataFrame(ROWS).astype({"year": "Int64"}),
    "numpy": lambda: [{**row, "number": np.int64(row["number"])} for row in ROWS],
}


def build(passages: Any, directory: Path, **options: Any) -> PassageIndex:
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    return PassageIndex.build(passages, directory, **models | options)


@pytest.mark.parametrize("name", FILES)
def test_files_hold_the_same_rows_and_a_missing_column_is_named(name: str, tmp_path: Path) -> None:
    FILES[name](tmp_path / name)
    assert list(read_passages(tmp_path / name, NAMED)) == WANTED
    with pytest.raises(InvalidPassage, match=r"the columns \['body'.*'key'.*`id_column`"):
        list(read_passages(tmp_path / name, RowConfig("key", "body")))


@pytest.mark.parametrize("name", TABLES)
def test_tables_hold_the_same_rows(name: str, tmp_path: Path) -> None:
    with build(TABLES[name](), tmp_path / "idx", columns=NAMED) as index:
        assert list(index) == WANTED


def test_ids_of_csv_stay_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("id,text\n007,x\n7,y\n")
    assert [p.id for p in read_passages(tmp_path / "p.csv")] == ["007", "7"]


def test_columns_that_are_not_named_are_metadata(tmp_path: Path) -> None:
    row = {"id": 5, "key": "a", "text": "x", "body": "y", "title": "t", "document": 3}
    (tmp_path / "p.jsonl").write_text(json.dumps(row))
    (passage,) = read_passages(tmp_path / "p.jsonl", RowConfig("key", "body", "none"))
    metadata = {"id": 5, "text": "x", "title": "t"}
    assert passage == Passage("a", "y", "", metadata, "3")


@pytest.mark.parametrize(
    ("name", "content"),
    [("p.json", '{"id": "a"}'), ("p.json", "{"), ("p.json", "[]"), ("p.csv", "a,b\n1\n"),
     ("p.parquet", "PAR"), ("p.jsonl", "[1]")],
)  # fmt: skip
def test_broken_files_are_refused_by_name(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UnreadableFile, match=name):
        list(read_passages(tmp_path / name))


def test_numpy_and_pandas_values_are_metadata(tmp_path: Path) -> None:
    metadata = {
        "i": np.int64(3), "f": np.float32(0.5), "b": np.True_, "s": np.str_("x"),
        "list": np.array([1, 2]), "when": pd.Timestamp("2020-01-02"), "none": pd.NaT,
        "nested": [np.int8(1)], "nan": np.float64("nan"),
    }  # fmt: skip
    with build([Passage("p", "x", metadata=metadata)], tmp_path / "idx") as index:
        assert index["p"].metadata == {
            "i": 3, "f": 0.5, "b": True, "s": "x", "list": [1, 2],
            "when": datetime(2020, 1, 2).isoformat(), "none": None, "nested": [1], "nan": None,
        }  # fmt: skip


# --- elsewhere -----------------------------------------------------------------------------------


def test_an_index_can_be_sent_to_another_process(tmp_path: Path) -> None:
    with build(WANTED, tmp_path / "idx") as index:
        with pickle.loads(pickle.dumps(index)) as sent:
            assert list(sent) == WANTED
            assert sent.retrieve("Where is Ada?") == index.retrieve("Where is Ada?")


def test_commands_take_names_of_columns(tmp_path: Path, call: Callable[..., Answer]) -> None:
    FILES["semicolons.csv"](tmp_path / "p.csv")
    names = ["--id-column", "number", "--text-column", "body", "--title-column", "name"]
    idx = tmp_path / "idx"
    assert call("rag", "index", tmp_path / "p.csv", "--out", idx, "--json", *names).code == 0
    said = call("rag", "sync", idx, tmp_path / "p.csv", "--json", *names).json
    assert said["unchanged"] == 3
    error = call("rag", "index", tmp_path / "p.csv", "--out", idx).error
    assert "lack ['id', 'text']" in error and "--id-column" in error
