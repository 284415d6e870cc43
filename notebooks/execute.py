"""Run the notebooks here from top to bottom and keep their outputs: `python notebooks/execute.py`.

With names, only those: `python notebooks/execute.py communities`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SECONDS = 600


def execute(path: Path) -> Any:
    """The notebook with fresh outputs; raises `CellExecutionError` at the first cell that fails."""
    book = nbformat.read(path, as_version=4)
    NotebookClient(
        book,
        timeout=SECONDS,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(HERE)}},
    ).execute()
    return book


def main(names: list[str]) -> None:
    """Execute all notebooks, or the named ones, with or without their suffix, in place."""
    books = {path.stem: path for path in sorted(HERE.glob("*.ipynb"))}
    for name in [name.removesuffix(".ipynb") for name in names] or books:
        if name not in books:
            sys.exit(f"{name}: no notebook of that name, expected one of {', '.join(books)}")
        nbformat.write(execute(books[name]), books[name])
        print(f"{books[name].name}: executed")


if __name__ == "__main__":
    main(sys.argv[1:])
