"""Hits as tables of pyarrow and pandas."""

from __future__ import annotations

import json
import sys

import pandas as pd
import pyarrow as pa
import pytest

from graphagg.errors import MissingExtra
from graphagg.rag import Hits, PassageIndex
from graphagg.rag.config.modes import MODES

pytestmark = pytest.mark.usefixtures("compiled")

QUESTION = "Where did Ada live?"


@pytest.mark.parametrize("mode", MODES)
def test_tables_hold_the_hits(small_index: PassageIndex, mode) -> None:  # type: ignore[no-untyped-def]
    hits = small_index.retrieve(QUESTION, mode=mode, neighbors=1)
    assert isinstance(hits, Hits) and hits == list(hits) and len(hits) > 1
    rows = hits.to_arrow().to_pylist()
    for rank, (row, hit) in enumerate(zip(rows, hits, strict=True), 1):
        passage = hit.passage
        assert (row["rank"], row["id"], row["title"]) == (rank, passage.id, passage.title)
        assert (row["text"], row["score"], row["method"]) == (passage.text, hit.score, hit.method)
        assert (row["document"], row["position"]) == (passage.document, passage.position)
        assert json.loads(row["metadata"]) == passage.metadata
        assert row["path"] == [vars(hop) for hop in hit.path]
        parts = {
            name.removeprefix("component_"): value
            for name, value in row.items()
            if name.startswith("component_") and value
        }
        assert parts == {name: value for name, value in hit.components.items() if value}
    pd.testing.assert_frame_equal(hits.to_pandas(), hits.to_arrow().to_pandas())


def test_batches_and_empty_answers_are_tables_too(small_index: PassageIndex) -> None:
    first, second = small_index.retrieve_batch([QUESTION, "Engine?"], 2)
    assert [hit.passage.id for hit in second] == second.to_arrow()["id"].to_pylist()
    nothing = small_index.retrieve(QUESTION, filter={"kind": "none such"})
    table = nothing.to_arrow()
    assert nothing == [] and table.num_rows == 0
    assert table.schema.field("text").type == pa.string()
    assert pa.concat_tables([table, first.to_arrow()], promote_options="default").num_rows == 2


def test_without_pandas_it_is_named(
    small_index: PassageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    hits = small_index.retrieve(QUESTION)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match=r"run: pip install pandas$"):
        hits.to_pandas()
