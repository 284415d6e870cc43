"""Mail: EML and mbox by Python's `email`, MSG by python-oxmsg; attachments are read like files.

Subject, sender, recipients and date become metadata. Quotations of earlier mails are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC
from email import message_from_bytes, policy
from email.message import Message
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any

from graphagg.errors import MissingExtra
from graphagg.rag.documents.reading.content import Composer, Content, Unread
from graphagg.rag.documents.reading.converters.structure import read_html

Attached = Callable[[str, bytes], Iterable[Content | Unread]]
"""Converts an attachment, by its name and content."""
Reader = Callable[[bytes, Attached], Iterator[Content | Unread]]

_QUOTED = re.compile(r"[ \t]{0,4}>")
_INTRODUCES = re.compile(r"(?:On|Am|Le|El|Il|Op|Den|Em) .{5,200}:\s*\Z")
_ORIGINAL = re.compile(r"\s*-{2,}\s*(?:Original Message|Forwarded message|Ursprüngliche)", re.I)
_FROM = re.compile(rb"^From [^\n]{1,500}\n", re.M)
_MOST_ATTACHMENTS = 100
_DEEPEST = 4  # mails inside of mails


def eml(content: bytes, attached: Attached, depth: int = 1) -> Iterator[Content | Unread]:
    """Convert a mail; each readable attachment is a document of its own; raise `Unread`."""
    message = message_from_bytes(content, policy=policy.default)
    if not any(_header(message, name) for name in ("from", "to", "subject", "date")):
        raise Unread("broken", "no mail: it has neither sender, recipient, subject nor date")
    composer = Composer()
    body = message.get_body(("plain", "html"))
    if body is not None:
        _write_body(_text_of(body), body.get_content_type() == "text/html", composer)
    texts = {name: _header(message, name) for name in ("from", "to", "cc", "date")}
    mail = _mail(composer, _header(message, "subject"), texts)
    yield from [mail] if mail.text else []
    for position, attachment in enumerate(message.iter_attachments()):
        if position == _MOST_ATTACHMENTS:
            yield Unread("attachments", f"more than {_MOST_ATTACHMENTS} attachments", "more")
            return
        yield from _attachment(attachment, position, attached, depth)


def _attachment(
    attachment: Message, position: int, attached: Attached, depth: int
) -> Iterator[Content | Unread]:
    name = attachment.get_filename() or f"attachment-{position + 1}"
    if attachment.get_content_type() == "message/rfc822":
        if depth == _DEEPEST:
            yield Unread("attachments", f"mails nested more than {_DEEPEST} deep", name)
            return
        inside = attachment.get_payload(0) if attachment.is_multipart() else None
        content = inside.as_bytes() if isinstance(inside, Message) else b""
        yield from _named(name, eml(content, attached, depth + 1))
        return
    payload = attachment.get_payload(decode=True)
    if isinstance(payload, bytes) and payload:
        yield from _named(name, attached(name, payload))


def _named(name: str, contents: Iterable[Content | Unread]) -> Iterator[Content | Unread]:
    """Give the documents of an attachment its name; errors become its `Unread`."""
    try:
        for each in contents:
            row = f"{name}/{each.row}" if each.row else name
            if isinstance(each, Unread):
                yield Unread(each.kind, each.reason, row)
            elif each.text.strip():
                yield replace(each, row=row, title=each.title or name)
    except Unread as fault:
        yield Unread(fault.kind, fault.reason, name)


def _header(message: Message, name: str) -> str:
    """A header as text; "" if Python cannot read it."""
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # headers of broken mails raise anything
        return ""


def _text_of(body: Message) -> str:
    payload = body.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    charset = body.get_content_charset("utf-8")
    try:
        return content.decode("cp1252" if charset in ("iso-8859-1", "us-ascii") else charset)
    except (LookupError, UnicodeDecodeError):
        return content.decode("utf-8", "replace")


def _write_body(text: str, is_html: bool, composer: Composer) -> None:
    if is_html:
        read_html(text, composer)
        return
    lines = text.replace("\r\n", "\n").split("\n")
    own: list[str] = []
    for line in lines:
        if _ORIGINAL.match(line):
            break
        if not _QUOTED.match(line):
            own.append(line)
        elif own and _INTRODUCES.match(own[-1]):
            own.pop()
    composer.block("\n".join(own))


def _mail(composer: Composer, subject: str, headers: dict[str, str]) -> Content:
    metadata: dict[str, Any] = {name: text for name, text in headers.items() if text}
    try:
        moment = parsedate_to_datetime(metadata.get("date", ""))
        metadata["date"] = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, IndexError, TypeError, OverflowError):
        pass
    if not composer.length:
        composer.block(subject)
    return composer.content(subject, metadata)


def mbox(content: bytes, attached: Attached) -> Iterator[Content | Unread]:
    """Convert the mails of an mbox file, one document each."""
    starts = [match.end() for match in _FROM.finditer(content)]
    ends = [*(match.start() for match in _FROM.finditer(content)), len(content)][1:]
    if not starts:
        raise Unread("broken", "no mbox: no line begins with From")
    for position, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        yield from _named(str(position), eml(content[start:end], attached))


def msg(content: bytes, attached: Attached) -> Iterator[Content | Unread]:
    """Convert a mail of Outlook; raise `MissingExtra` without python-oxmsg."""
    try:
        from oxmsg import Message as OutlookMessage
    except ModuleNotFoundError:
        raise MissingExtra("python-oxmsg", "documents") from None
    message = OutlookMessage.load(BytesIO(content))
    composer = Composer()
    if message.body:
        _write_body(message.body, False, composer)
    elif message.html_body:
        _write_body(message.html_body, True, composer)
    recipients = ", ".join(str(each.email_address) for each in message.recipients)
    headers = {"from": message.sender or "", "to": recipients}
    if message.sent_date:
        headers["date"] = message.sent_date.strftime("%a, %d %b %Y %H:%M:%S +0000")
    yield _mail(composer, message.subject or "", headers)
    for position, attachment in enumerate(message.attachments[:_MOST_ATTACHMENTS]):
        name = attachment.file_name or f"attachment-{position + 1}"
        yield from _named(name, attached(name, attachment.file_bytes or b""))
