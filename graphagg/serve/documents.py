"""The documents of a collection, with the number of passages and the file of each."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Literal

from graphagg.rag.documents.passages import TRAIL
from graphagg.rag.snapshot.snapshot import PassageSnapshot

DocumentOrder = Literal["name", "modified", "size", "passages"]
_FILE_KEYS = ("path", "size", "modified")


def list_documents(
    snapshot: PassageSnapshot, search: str, sort: DocumentOrder, offset: int, limit: int
) -> dict[str, Any]:
    """A page of the visible documents whose name or title contains some words, sorted."""
    documents = snapshot.cached("documents", "", lambda: _documents(snapshot))
    words = search.casefold().split()
    matching = [each for each in documents if all(word in each["name"] for word in words)]
    if sort != "name":  # the largest or newest first; documents without a value last
        matching.sort(key=lambda each: (each[sort] is not None, each[sort] or 0))
        matching.reverse()
    page = [{key: each[key] for key in each if key != "name"} for each in matching]
    return {"documents": page[offset : offset + limit], "total": len(matching)}


def _documents(snapshot: PassageSnapshot) -> list[dict[str, Any]]:
    """All documents by name. A file is one document, and so is a passage without a document."""
    corpus, by_name = snapshot.corpus, dict[str, dict[str, Any]]()
    for identifier, rows in snapshot.documents().items():
        segment, inside = corpus.locate(rows[0])
        metadata = segment.passages.metadata_of(inside)
        path, size, modified = (metadata.get(key) for key in _FILE_KEYS)
        title = corpus.title(rows[0]).partition(TRAIL)[0]
        name = path if isinstance(path, str) else identifier
        first = {
            "id": identifier, "title": title, "passages": 0,
            "path": path if isinstance(path, str) else None,
            "size": size if isinstance(size, int) else None,
            "modified": modified if isinstance(modified, str) else None,
            "name": f"{name} {title}".casefold(),
        }  # fmt: skip
        by_name.setdefault(name, first)["passages"] += len(rows)
    return sorted(by_name.values(), key=itemgetter("name", "id"))
