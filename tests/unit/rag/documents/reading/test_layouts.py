"""Tables under titles, notes and blank rows, in sheets; several in one sheet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag.documents.reading.converters.layout import parts_of
from graphagg.rag.documents.reading.document import mark_at
from tests.unit.rag.documents.reading.files import odf, odf_table, read, write

Row = Sequence[str]

ABOVE: list[list[Row]] = [
    [], [["Price list 2026"]], [["Price list"], ["All prices without tax"], [], []], [[], []],
]  # fmt: skip
NAMES: list[Row] = [["Article", "Price NOK", "Stock"], ["Article", "2025", "2024"], ["", "a", "b"]]
DATA = [["TX-90", "18990", "7"], ["CH-7", "2450", "12"], ["BP-12", "990.50", "0"]]
SALES: list[Row] = [["Region", "Sales", "Share"], ["North", "1200", "40%"]]
BELOW: list[list[Row]] = [[], [[], ["Prices of January"]], [[], *SALES], [[], ["Sales"], *SALES]]


def test_each_row_of_a_sheet_has_the_names_of_its_columns(tmp_path: Path) -> None:
    cases = {f"{i}.ods": case for i, case in enumerate(product(ABOVE, NAMES, BELOW))}
    for file, (above, names, below) in cases.items():
        grid = [[*row, *[""] * (3 - len(row))] for row in (*above, names, *DATA, *below)]
        sheet = f"<office:spreadsheet>{odf_table('Prices', grid)}</office:spreadsheet>"
        write(tmp_path / file, odf("spreadsheet", sheet))
    documents = read(tmp_path)[0]
    assert documents.keys() == cases.keys()
    for file, (above, names, below) in cases.items():
        text, marks = documents[file].text, documents[file].marks
        wanted = []
        for header, row in [(names, row) for row in DATA] + [tuple(SALES)] * (SALES[1] in below):
            cells = zip(header, row, strict=True)
            wanted.append(
                "- " + "; ".join(f"{name}: {cell}" if name else cell for name, cell in cells)
            )
        assert [line for line in text.split("\n") if line.startswith("- ")] == wanted
        assert all(row[0] in text for row in (*above, *below) if len(row) == 1)
        if above and above[0] and ["Sales"] in below:
            headings = [mark_at(marks, text.index(line)).heading[-1] for line in wanted]
            assert headings == [above[0][0]] * 3 + ["Sales"]


TEXTS = st.sampled_from(["", "", "Name", "Price", "12", "3.5", "2026-01-03", "TX-90", "NOK", "a:"])


@given(st.lists(st.lists(TEXTS, max_size=4), max_size=12), st.sampled_from([None, True, False]))
def test_no_row_is_lost_and_none_is_read_twice(grid: list[list[str]], headed: bool | None) -> None:
    parts = list(parts_of(grid, headed))
    read_rows = [row for part in parts for row in range(part.start, part.end)]
    assert read_rows == sorted(set(read_rows))
    names = {id(part.names) for part in parts}
    others = {row for row, cells in enumerate(grid) if any(cells)} - {*read_rows}
    assert {id(grid[row]) for row in others} <= names
