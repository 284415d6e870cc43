"""Tables under titles, notes and blank rows, in sheets and CSV files; several in one file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphagg.rag import Document
from graphagg.rag.documents.reading.content import Content
from graphagg.rag.documents.reading.converters.layout import parts_of
from graphagg.rag.documents.reading.converters.tables import csv_rows
from graphagg.rag.documents.reading.converters.text import decode
from graphagg.rag.documents.reading.document import mark_at
from tests.unit.rag.documents.reading.files import odf, odf_table, read, write

Row = Sequence[str]


class Layout(NamedTuple):
    """A grid, the pairs of name and value of each row of its tables, and its other lines."""

    grid: list[Row]
    rows: list[list[tuple[str, str]]]
    others: list[str]


ABOVE: dict[str, list[Row]] = {
    "nothing": [],
    "title": [["Price list 2026"]],
    "title and blank row": [["Price list 2026"], []],
    "title, notes, blank rows": [["Price list"], ["All prices without tax"], [], []],
    "blank rows": [[], []],
    "two facts": [["Sales report"], ["Exported on", "2026-01-03"], []],
}
HEADERS: dict[str, tuple[list[Row], Row]] = {  # the header's rows, and the names they make
    "one row": ([["Article", "Price NOK", "Stock"]], ["Article", "Price NOK", "Stock"]),
    "units": (
        [["Article", "Price", "Weight"], ["", "NOK", "kg"]],
        ["Article", "Price (NOK)", "Weight (kg)"],
    ),
    "years": ([["Article", "2025", "2024"]], ["Article", "2025", "2024"]),
    "no name of the first column": ([["", "Price", "Stock"]], ["", "Price", "Stock"]),
    "groups": (
        [["", "Norway", "Sweden"], ["Article", "Price", "Price"]],
        ["Article", "Norway Price", "Sweden Price"],
    ),
}  # fmt: skip
SECOND: dict[str, tuple[list[Row], Row, list[Row]]] = {
    "one table": ([], [], []),
    "a note below": ([[], ["Prices are those of January"]], [], []),
    "another table": (
        [[], ["Region", "Sales", "Share"]],
        ["Region", "Sales", "Share"],
        [["North", "1200", "40%"], ["South", "1800", "60%"]],
    ),
    "another table under its title": (
        [["Sales"], ["Region", "Sales", "Share"]],
        ["Region", "Sales", "Share"],
        [["North", "1200", "40%"], ["South", "1800", "60%"]],
    ),
}
DATA = [["TX-90", "18990", "7"], ["CH-7", "2450", "12"], ["BP-12", "990.50", "0"]]
LAYOUTS = list(product(ABOVE, HEADERS, SECOND))


def layout(above: str, header: str, second: str) -> Layout:
    head, names = HEADERS[header]
    between, more_names, more = SECOND[second]
    grid = [*ABOVE[above], *head, *DATA, *between, *more]
    rows = [list(zip(names, row, strict=True)) for row in DATA]
    rows += [list(zip(more_names, row, strict=True)) for row in more]
    lines = [*ABOVE[above], *(row for row in between if list(row) != list(more_names))]
    return Layout(grid, rows, [cell for line in lines for cell in line])


def sheet(folder: Path, grid: Sequence[Row]) -> Document:
    """A sheet of an OpenDocument file, as it is read."""
    table = odf_table("Prices", [list(row) for row in grid])
    content = odf("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>")
    write(folder / "a.ods", content)
    return read(folder)[0]["a.ods"]


@pytest.mark.parametrize(("above", "header", "second"), LAYOUTS)
def test_each_row_of_a_sheet_has_the_names_of_its_columns(
    above: str, header: str, second: str, tmp_path: Path
) -> None:
    made = layout(above, header, second)
    width = max(map(len, made.grid))
    grid = [[*row, *[""] * (width - len(row))] for row in made.grid]
    lines = sheet(tmp_path, grid).text.split("\n")
    for row in made.rows:
        assert "- " + "; ".join(f"{name}: {cell}" if name else cell for name, cell in row) in lines
    assert all(any(other in line for line in lines) for other in made.others)
    facts = sum(len(row) > 1 for row in ABOVE[above])
    assert sum(line.startswith("- ") for line in lines) == len(made.rows) + facts


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(("above", "header", "second"), LAYOUTS)
def test_each_row_of_a_csv_file_has_the_names_of_its_columns(
    above: str, header: str, second: str, delimiter: str
) -> None:
    made = layout(above, header, second)
    width = max(map(len, made.grid))
    for padding in (0, width):  # as spreadsheets write it, and as programs do
        lines = (delimiter.join([*row, *[""] * (padding - len(row))]) for row in made.grid)
        contents = [c for c in csv_rows("\n".join(lines) + "\n") if isinstance(c, Content)]
        texts = [content.text.split("\n") for content in contents]
        for row in made.rows:
            wanted = [f"{name or 'column 1'}: {cell}" for name, cell in row]
            assert any(_same(wanted, text) for text in texts), (wanted, texts)
        whole = "\n".join(content.text for content in contents)
        assert all(other in whole for other in made.others)
        assert len(contents) == len(made.rows) + bool(made.others)


def _same(wanted: list[str], text: list[str]) -> bool:
    """Whether two rows have the same names and, but for the form of numbers, values."""
    return [_plain(line) for line in wanted] == [_plain(line) for line in text]


def _plain(line: str) -> tuple[str, str | float]:
    name, _, value = line.partition(": ")
    return name, float(value) if value.replace(".", "").isdecimal() else value


def test_the_title_of_a_table_is_the_heading_of_its_rows(tmp_path: Path) -> None:
    made = layout("title, notes, blank rows", "one row", "another table under its title")
    grid = [[*row, *[""] * (3 - len(row))] for row in made.grid]
    document = sheet(tmp_path, grid)
    headings = [
        mark_at(document.marks, document.text.index(line)).heading[-1]
        for line in document.text.split("\n")
        if line.startswith("- ")
    ]
    assert headings == ["Price list"] * 3 + ["Sales"] * 2
    lines = "\n".join(map(";".join, grid))
    titles = [content.title for content in csv_rows(lines) if isinstance(content, Content)]
    assert titles == ["Price list"] * 3 + ["Sales"] * 2 + [""]


def parts(*rows: Row) -> list[tuple[int, int, tuple[str, ...] | None]]:
    width = max(map(len, rows))
    grid = [[*row, *[""] * (width - len(row))] for row in rows]
    return [(part.start, part.end, part.names) for part in parts_of(grid)]


def test_where_the_shape_of_the_rows_decides() -> None:
    # A first row of texts in a column of numbers is no header.
    assert parts(["Item", "Price"], ["Hammer", "on request"], ["Saw", "12"], ["Axe", "15"]) == [
        (1, 4, ("Item", "Price"))
    ]
    # A fact above a table of codes and numbers is none either.
    fact, *_, table = parts(["Author", "Anna"], ["Code", "Price"], ["A-1", "12"], ["B-2", "15"])
    assert (fact, table) == ((0, 1, None), (2, 4, ("Code", "Price")))
    # Rows after a blank one belong to the table above, unless they name their columns.
    assert parts(["Name", "City"], ["Ann", "Rome"], [], ["Bob", "Bern"], ["Eve", "Oslo"]) == [
        (1, 2, ("Name", "City")),
        (3, 5, ("Name", "City")),
    ]
    # Two tables side by side differ in height.
    side = parts(["A", "B", "", "C", "D"], ["x", "1", "", "y", "2"], ["z", "1", "", "", ""])
    assert side == [(1, 3, ("A", "B")), (1, 2, ("C", "D"))]
    assert parts(["just a line"], ["another one"]) == [(0, 2, None)]
    assert parts([], []) == []


TEXTS = st.sampled_from(["", "", "Name", "Price", "12", "3.5", "2026-01-03", "TX-90", "NOK", "a:"])


@given(st.lists(st.lists(TEXTS, min_size=4, max_size=4), max_size=12))
def test_no_cell_is_lost_and_none_is_read_twice(grid: list[list[str]]) -> None:
    cells = {(r, c) for r, row in enumerate(grid) for c, cell in enumerate(row) if cell}
    read_once = Counter(
        (row, column)
        for part in parts_of(grid)
        for row in range(part.start, part.end)
        for column in range(part.left, part.right)
        if grid[row][column]
    )
    assert max(read_once.values(), default=1) == 1 and read_once.keys() <= cells
    names = " ".join(name for part in parts_of(grid) for name in part.names or ())
    assert all(grid[row][column] in names for row, column in cells - read_once.keys())


REAL = {  # files that packages bring, and the names of their columns
    ("matplotlib", "mpl-data/sample_data/msft.csv"): "Date Open High Low Close Volume",
    ("matplotlib", "mpl-data/sample_data/Stocks.csv"): "Date IBM AAPL MSFT",
}


@pytest.mark.parametrize(("package", "name"), REAL)
def test_real_tables(package: str, name: str) -> None:
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    path = Path(spec.submodule_search_locations[0]) / name
    if not path.exists():
        pytest.skip(f"this version of {package} has no {name}")
    text = decode(path.read_bytes()).text
    contents = [content for content in csv_rows(text) if isinstance(content, Content)]
    wanted = set(REAL[package, name].split())
    full = [content for content in contents if wanted <= content.metadata.keys()]
    assert len(full) >= len(contents) - 1 > 10
