"""Chats as documents: one per thread, and one per run of messages without a longer pause.

Files named after a day, such as `general/2026-01-31.json`, form one chat, named after the folder:
this joins the days of a Slack export. Names of users and channels come from lists in the export.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import NamedTuple

from graphagg.rag.documents.dates import DATED_BY, dated
from graphagg.rag.documents.metadata import WHEN
from graphagg.rag.documents.reading.content import Message
from graphagg.rag.documents.reading.converters.chats import MENTION
from graphagg.rag.documents.reading.document import Document

_DAY = re.compile(r"\d{4}-\d\d-\d\d\.json")
_LISTS = frozenset(("users.json", "org_users.json", "channels.json", "groups.json", "mpims.json"))
_NAMES = ("profile.display_name", "profile.real_name", "real_name", "name")
_PAUSE = timedelta(hours=1)


class Chat(NamedTuple):
    """The chat messages of one file."""

    document: Document
    messages: tuple[Message, ...]


_Sent = tuple[Message, Document]
"""A message, and the document of its file."""


class Conversations:
    """Collects the chats of a folder; they become documents when all files have been read."""

    def __init__(self) -> None:
        self._chats: dict[str, list[_Sent]] = {}
        self.names: dict[str, str] = {}
        self._listed: list[Document] = []
        self._exports = set[PurePosixPath]()  # folders of exports
        self.notices = 0
        """Number of messages without text, and of entries in the lists of an export."""

    def is_listed(self, document: Document) -> bool:
        """Return whether a document is a user or channel in a list of an export; store its name.

        It is not a separate document if the chats of the export are in the folder.
        """
        path, _, identifier = document.id.rpartition("/")
        if PurePosixPath(path).name not in _LISTS:
            return False
        names = (document.metadata.get(key) for key in _NAMES)
        self.names[identifier] = next((str(each) for each in names if each), identifier)
        self._listed.append(document)
        return True

    def add(self, chat: Chat) -> None:
        """Add the messages of a file."""
        document, path = chat.document, PurePosixPath(chat.document.id)
        is_day = _DAY.fullmatch(path.name) and path.parent.name
        if is_day:
            document = replace(document, title=path.parent.name)
            self._exports.add(path.parent.parent)
        messages = self._chats.setdefault(str(path.parent) if is_day else document.id, [])
        messages += ((each, document) for each in chat.messages if each.text)
        self.notices += sum(not each.text for each in chat.messages)

    def documents(self) -> Iterator[Document]:
        """Yield the conversations of all chats, and list entries that belong to no chat."""
        for document in self._listed:
            if PurePosixPath(document.id).parent.parent in self._exports:
                self.notices += 1
            else:
                yield document
        for messages in self._chats.values():
            distinct = {each[0].id or number: each for number, each in enumerate(messages)}
            ascending = sorted(distinct.values(), key=lambda each: each[0].sent)
            yield from map(self._document, _conversations(ascending))

    def _document(self, messages: Sequence[_Sent]) -> Document:
        first, document = messages[0]
        authors = [self._with_names(each.author) for each, _ in messages]
        texts = (self._with_names(each.text) for each, _ in messages)
        stated = {
            "channel": document.title, "authors": [*dict.fromkeys(authors)], "date": first.sent
        }  # fmt: skip
        own = {k: v for k, v in document.metadata.items() if k not in (WHEN, DATED_BY)}
        return replace(
            document,
            id=f"{document.id}/{first.id or first.sent}",
            text="\n\n".join(f"{a}: {t}" for a, t in zip(authors, texts, strict=True)),
            metadata=dated("", "", "", stated | own),
        )

    def _with_names(self, text: str) -> str:
        return MENTION.sub(lambda m: self.names.get(m[1]) or m[2] or m[1], text)


def _conversations(messages: Sequence[_Sent]) -> Iterable[list[_Sent]]:
    """Split the messages of a chat, sorted by time, into runs and threads."""
    answered = {each.answers for each, _ in messages} - {""}
    roots: dict[str, str] = {}  # root of the thread, by the id of each message in it
    conversations: dict[str | int, list[_Sent]] = {}
    last, run = datetime.min, 0
    for each in messages:
        message = each[0]
        key: str | int
        if message.answers or message.id in answered:
            key = roots[message.id] = roots.get(message.answers, message.answers) or message.id
        else:
            moment = datetime.fromisoformat(message.sent).replace(tzinfo=None)
            key = run = run + (moment - last > _PAUSE)
            last = moment
        conversations.setdefault(key, []).append(each)
    return conversations.values()
