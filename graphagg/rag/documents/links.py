"""Links between documents, as keys of the gazetteer.

The metadata of a passage have `links`, a mapping of targets to the offsets of their labels, or a
list of targets: the id of a document, `ID#ANCHOR`, or `#ANCHOR` in any document. `anchors` are the
names of places in its own text. Reading a folder fills both (`graphagg.rag.models.chunking`).

A link and the passages that it leads to share a key, which occurs in no text. Paths are compared
without suffix and letter case; `index` and `README` mean their folder, and a name without folder
and suffix, as in wikis, means a file of this name in any folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphagg.rag.documents.passages import Passage

PREFIX = "link:"
"""Beginning of every key of a link; no token contains a colon."""
_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{0,5}$")
_OF_FOLDER = re.compile(r"(?:^|/)(?:index|readme)$")
ANYWHERE = "*/"
"""Stands for any folder in the key of a link by a name alone."""


def link_keys(metadata: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The keys of a passage's link targets (`link:guide/setup#network`), with label offsets."""
    links = metadata.get("links")
    if isinstance(links, list):
        links = {target: 0 for target in links if isinstance(target, str)}
    for target, offset in links.items() if isinstance(links, Mapping) else ():
        path, _, anchor = target.partition("#")
        at = offset if isinstance(offset, int) and offset > 0 else 0
        if path and "/" not in path and not _SUFFIX.search(path):
            yield _key(ANYWHERE + _normal(path)), at
            continue
        if path:
            yield _key(_normal(path)), at
        if anchor:
            yield _key(_normal(path), anchor), at


def target_keys(passage: Passage) -> Iterator[str]:
    """The keys of links that lead to a passage: its path, its name in any folder, its anchors."""
    name = _normal(passage.document or passage.id)
    yield _key(name)
    yield _key(ANYWHERE + name.rpartition("/")[2])
    anchors = passage.metadata.get("anchors")
    for anchor in anchors if isinstance(anchors, list | Mapping) else ():
        if isinstance(anchor, str):
            yield _key(name, anchor)
            yield _key("", anchor)


def _normal(path: str) -> str:
    return _OF_FOLDER.sub("", _SUFFIX.sub("", path.strip("/")).casefold())


def _key(name: str, anchor: str = "") -> str:
    key = f"{PREFIX}{name}#{anchor.casefold()}" if anchor else PREFIX + name
    return "_".join(key.split())
