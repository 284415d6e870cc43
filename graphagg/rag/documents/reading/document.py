"""Documents read from files: text, headings, pages, links and metadata."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from graphagg.checks import shown
from graphagg.fields import Brief

_FILE_KEYS = frozenset({"path", "folder", "suffix", "modified", "size"})
_DEEPEST = 64  # maximum nesting of a metadata value
_LARGEST = 2**100  # JSON readers round larger integers


class Mark(NamedTuple):
    """A position in a text from which another heading or page applies.

    The mark of a section is at the start of its heading's line, if that line is in the text.

    Attributes:
        offset: in characters from the start of the text.
        heading: the headings that enclose the text from here, outermost first, without the title.
        page: the page of the text from here, from 1; None if the file has no pages.

    Examples:
        >>> Mark(120, ("Rivers", "Europe"), page=3)
        Mark(offset=120, heading=('Rivers', 'Europe'), page=3)
    """

    offset: int
    heading: tuple[str, ...] = ()
    page: int | None = None


class Link(NamedTuple):
    """A link from a text to another file in its folder, or to a heading.

    `target` is a POSIX path below the folder; it may lack a suffix (`:doc:`, pages of a site) or
    its folder (wiki links), or be "": any file with the anchor (`:ref:`).
    """

    offset: int  # of the label, in characters of the text
    target: str
    anchor: str = ""  # a name in `Document.anchors` of that file; "" for the whole file


def mark_at(marks: Sequence[Mark], offset: int) -> Mark:
    """Return the mark that applies at an offset of the text; O(log m) for m marks."""
    count = bisect_right(marks, offset, key=lambda mark: mark.offset)
    return marks[count - 1] if count else Mark(0)


@dataclass(frozen=True, repr=False)
class Document(Brief):
    """A document, before it is split into passages.

    Attributes:
        id: the POSIX path of the file below its folder; `PATH/ROW` for a row of a table.
        text: the text that is split, searched and returned.
        title: it is indexed in front of the text.
        metadata: JSON values: properties from inside the file, and its path, size, ...
        marks: starts of sections and pages, by ascending offset.
        links: links to other files of the folder and to headings, by ascending offset.
        anchors: offsets of link targets in the text, by name; each heading has a name.

    Examples:
        >>> Document("rivers.md", "The Vistula flows through Warsaw.", "Rivers").record["title"]
        'Rivers'
    """

    id: str
    text: str
    title: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    links: tuple[Link, ...] = ()
    anchors: Mapping[str, int] = field(default_factory=dict)

    @property
    def record(self) -> dict[str, Any]:
        """The fields of the passage that an unsplit document becomes; see `as_passage`."""
        return {"id": self.id, "text": self.text, "title": self.title, "metadata": self.metadata}


def suffix_of(name: str) -> str:
    """Return the lower-case suffix of a file; "" for none, or for a number as in `NEWS.2`."""
    stem, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return f".{suffix.lower()}" if stem and dot and suffix[:1].isalpha() else ""


def file_metadata(name: str, size: int, modified: float) -> dict[str, Any]:
    """Return the metadata of a file: `path`, `folder`, `suffix`, `modified`, `size`.

    `folder` lists every folder that contains the file, `["a", "a/b"]` for `a/b/c.md`: a filter
    `folder=a` matches all files below `a`. `modified` is UTC to the second, `size` is in bytes.
    """
    parents = [p.as_posix() for p in PurePosixPath(name).parents if p.name]
    moment = datetime.fromtimestamp(math.floor(modified), UTC)
    return {
        "path": name,
        "folder": parents[::-1],
        "suffix": suffix_of(name),
        "modified": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "size": size,
    }


def plain_metadata(properties: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Convert the properties of a file to JSON values; also return why keys are left out.

    Dates become ISO 8601 text, NaN null. Keys of `file_metadata` get the prefix `document_`.
    """
    metadata: dict[str, Any] = {}
    refused: dict[str, str] = {}
    for key, value in properties.items():
        name = f"document_{key}" if key in _FILE_KEYS else str(key)
        try:
            name.encode()
            metadata[name] = plain_value(value)
        except UnicodeEncodeError:
            refused[ascii(name)] = "a lone surrogate, which is not Unicode text"
        except ValueError as error:
            refused[name] = str(error)
    return metadata, refused


def plain_value(value: Any, depth: int = 1) -> Any:
    """Convert a value to JSON values; dates become text. Raise `ValueError` with the reason."""
    if depth > _DEEPEST:
        raise ValueError(f"nested more than {_DEEPEST} levels deep")
    if type(value).__module__ == "numpy":  # no import: a sync without changes does not need it
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain_value(each, depth + 1) for each in value]
    if isinstance(value, Mapping):
        return {str(key): plain_value(each, depth + 1) for key, each in value.items()}
    return value if value is None or isinstance(value, bool) else _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:
    if isinstance(value, str):
        value.encode()
        return str(value)
    if isinstance(value, date | float) and value != value:  # NaN, and the NaT of pandas
        return None
    if isinstance(value, date):  # a datetime is one
        return value.isoformat()
    if not isinstance(value, int | float):
        raise ValueError(f"{shown(value)}, a {type(value).__name__}, expected a JSON value")
    if math.isinf(value) if isinstance(value, float) else abs(value) >= _LARGEST:
        raise ValueError(f"{shown(value)}, expected a finite number of at most 100 bits")
    return value
