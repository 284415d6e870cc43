"""Tickets of Jira and Zendesk: the comments with their authors, then the fields.

A row is a ticket if it has the shape of their JSON: `key` and `fields` with `summary`, or `subject`
with `comments` or `requester_id`. Objects become their names; HTML, Jira's document format and its
wiki marks become text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from graphagg.rag.documents.reading.content import Content
from graphagg.rag.documents.reading.converters.structure import without_tags
from graphagg.rag.documents.reading.rules import applied, rules_of

_WRITTEN = frozenset(("subject", "raw_subject", "summary", "description", "comment", "comments"))
_NO_FIELDS = frozenset(("id", "url", "self", "expand"))
_NAMES = ("displayName", "name", "value", "title", "filename", "file_name", "key")
_BLOCKS = frozenset("blockquote codeBlock heading listItem paragraph panel tableRow".split())


def ticket_of(record: Mapping[str, Any]) -> Content | None:
    """The document of a ticket, with its fields as metadata; None for any other row."""
    fields, comments = record.get("fields"), record.get("comments")
    if isinstance(fields, Mapping) and "summary" in fields and "key" in record:
        comment = fields.get("comment")
        comments = comment.get("comments") if isinstance(comment, Mapping) else ()
    elif "subject" in record and (isinstance(comments, list) or "requester_id" in record):
        fields = record
    else:
        return None
    names = {e.get("id"): _named(e) for e in record.values() if isinstance(e, Mapping)}
    values = {key: _named(value) for key, value in fields.items() if key not in _WRITTEN}
    columns = {key: value for key, value in values.items() if value and key not in _NO_FIELDS}
    texts = [_text(fields.get("description"))]
    for each in comments if isinstance(comments, list) else ():
        bodies = map(_text, map(each.get, ("plain_body", "body", "html_body")))
        text = next(filter(None, bodies), "")
        author = _named(each.get("author")) or names.get(each.get("author_id"), "")
        texts += [f"{author}: {text}" if author else text] * bool(text)
    if len(texts) > 1 and texts[1].endswith(texts[0]):  # Zendesk's description is its first comment
        del texts[0]
    texts.append("\n".join(f"{key}: {value}" for key, value in columns.items()))
    title = _text(fields.get("subject") or fields.get("summary"))
    return Content("\n\n".join(filter(None, texts)), title, columns)


def _named(value: Any) -> str:
    """A value as text: the name of an object, or the names of the elements of a list."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_named, value)))
    if not isinstance(value, Mapping):
        return "" if value is None else str(value)
    if "content" in value:
        return _text(value)
    return next((_named(value[key]) for key in _NAMES if value.get(key)), "")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return re.sub(r"\n{3,}", "\n\n", "".join(_pieces(value))).strip()
    return applied(rules_of("chats", "jira"), without_tags(str(value or ""))).strip()


def _pieces(node: Mapping[str, Any]) -> Iterator[str]:
    """The texts of a node of Jira's document format."""
    attributes = node.get("attrs") or {}
    labels = (attributes.get(key) for key in ("text", "shortName", "url"))
    text = node.get("text") or next(filter(None, labels), "")
    yield "\n" if node.get("type") == "hardBreak" else str(text)
    for each in node.get("content") or ():
        yield from _pieces(each)
    yield "\n\n" * (node.get("type") in _BLOCKS)
