"""Jupyter notebooks as Markdown: their texts, and their code between fences; no outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from graphagg.rag.documents.reading.content import Content, Unread
from graphagg.rag.documents.reading.converters.markup import markdown


def notebook(text: str) -> Content:
    """A notebook of format 3 or 4.

    Raises:
        Unread: no notebook.
    """
    try:
        given = json.loads(text)
        sheets = given.get("worksheets") or [given]
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        language = given.get("metadata", {}).get("kernelspec", {}).get("language", "")
        return markdown("\n\n".join(_blocks(cells, str(language))))
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise Unread("broken", f"not a notebook ({error!r})") from None


def _blocks(cells: list[dict[str, Any]], language: str) -> Iterator[str]:
    for cell in cells:
        source = cell.get("source", cell.get("input", ""))
        text = (source if isinstance(source, str) else "".join(source)).strip("\n")
        if not text.strip():
            continue
        if cell["cell_type"] == "heading":  # of format 3
            yield f"{'#' * int(cell.get('level', 1))} {text}"
        else:
            yield f"```{language}\n{text}\n```" if cell["cell_type"] == "code" else text
