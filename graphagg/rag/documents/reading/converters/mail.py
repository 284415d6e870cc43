"""Convert mail: EML and mbox with Python's `email`, MSG with python-oxmsg; attachments as files.

The subject is the title; sender, recipients and date are metadata; earlier mails become links.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from email import message_from_bytes, policy
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from io import BytesIO
from itertools import chain
from mimetypes import guess_extension
from typing import Any

from graphagg.errors import needs
from graphagg.rag.documents.reading.content import Composer, Content, Unread
from graphagg.rag.documents.reading.converters.quotations import read_body
from graphagg.rag.documents.reading.converters.structure import without_tags
from graphagg.rag.documents.reading.converters.text import decode_as
from graphagg.rag.documents.reading.document import Link
from graphagg.rag.documents.reading.members import Load, Members

_FROM = re.compile(
    rb"(?m)(?:(?:\A|\n\r?\n)From [^\n]{1,500}|^From [^\n]{1,400}\d\d:\d\d[^\n]{0,99})\n"
    rb"(?=>From |[!-9;-~]{1,80}:\s)"
)
"""The line before each mail in an mbox: after a blank line, or with a time; headers follow."""
_ESCAPED = re.compile(rb"^>(?=>{0,99}From )", re.M)
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,500})>")
_SLASH = re.compile(r"[/\\\0-\x1f]")  # in the name of an attachment
_MOST_LINKS = 50
_SHOWN = ("from", "to", "cc", "date")
_THREAD = ("message-id", "references", "in-reply-to")
_HEADERS = ("subject", *_SHOWN, *_THREAD)
_LONGEST_HEADER = 20_000  # characters: Python's reader takes quadratic time


class _Policy(policy.EmailPolicy):
    """Parses only the beginning of a long header."""

    def header_fetch_parse(self, name: str, value: str) -> Any:
        return super().header_fetch_parse(name, value[:_LONGEST_HEADER])


def eml(content: bytes, members: Members) -> Iterator[Content | Unread]:
    """Convert a mail; each readable attachment is a separate document; raise `Unread`."""
    message = message_from_bytes(content, policy=_Policy())
    if not any(_header(message, name) for name in ("from", "to", "subject", "date")):
        raise Unread("broken", "not an email: it has no sender, recipient, subject or date")
    headers = {name: _header(message, name) for name in _HEADERS}
    leaves = list(_leaves(message))
    kinds = [leaf.get_content_type() for leaf in leaves if _is_body(leaf)]
    bodies = [leaf for leaf in leaves if _is_body(leaf) and leaf.get_content_type() == kinds[0]]
    mail = _mail("\n\n".join(map(_text_of, bodies)), kinds[:1] == ["text/html"], headers)
    yield from [mail] if mail.text else []
    read = {*map(id, bodies)}
    yield from members.read(_attachments(leaf for leaf in leaves if id(leaf) not in read))


def _attachments(attachments: Iterable[Message]) -> Iterator[tuple[str, Load]]:
    """Yield the names and contents of attachments; a name that occurs again gets a number."""
    names = set[str]()
    for position, attachment in enumerate(attachments, 1):
        kind = attachment.get_content_type()
        suffix = ".eml" if kind == "message/rfc822" else guess_extension(kind) or ""
        name = attachment.get_filename() or f"attachment-{position}{suffix}"
        name = _SLASH.sub("_", name) + suffix * (suffix == ".eml" and not name.endswith(suffix))
        name = f"{position}-{name}" if name in names else name
        names.add(name)
        if content := _content_of(attachment):
            yield name, partial(_first, content)


def _first(content: bytes, most: int) -> bytes:
    return content[:most]


def _leaves(message: Any) -> Iterator[Message]:
    """Yield the parts of a mail; of alternative texts, only the first that is not much shorter."""
    if message.get_content_maintype() != "multipart" or not message.is_multipart():
        yield message
        return
    options = [list(_leaves(part)) for part in message.get_payload()]
    if message.get_content_subtype() != "alternative":
        yield from chain(*options)
        return
    bodies = ("".join(map(_text_of, filter(_is_body, option))) for option in options)
    sizes = [len(without_tags(body).strip()) for body in bodies]
    best = next((i for i, size in enumerate(sizes) if 2 * size >= max(sizes)), 0)
    for i, option in enumerate(options):
        yield from (leaf for leaf in option if i == best or not _is_body(leaf))


def _is_body(part: Message) -> bool:
    is_text = part.get_content_type() in ("text/plain", "text/html")
    is_named = part.get_content_disposition() == "attachment" or part.get_filename()
    return (is_text and not is_named) or part.get_content_maintype() == "multipart"


def _content_of(attachment: Message) -> bytes:
    if attachment.get_content_type() == "message/rfc822":
        inside = attachment.get_payload(0) if attachment.is_multipart() else None
        return inside.as_bytes() if isinstance(inside, Message) else b""
    if attachment.get_content_charset():
        return _text_of(attachment).encode()
    payload = attachment.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""


def _header(message: Message, name: str) -> str:
    """Return a header as text; "" if Python cannot parse it."""
    try:
        return " ".join(str(message.get(name, "")).split())
    except Exception:  # invalid headers may raise any exception
        return ""


def _text_of(body: Message) -> str:
    payload = body.get_payload(decode=True)
    content = payload if isinstance(payload, bytes) else b""
    return decode_as(content, body.get_content_charset(""))


def _mail(text: str, is_html: bool, headers: Mapping[str, str]) -> Content:
    """Build the document of a mail; its message id is an anchor, and earlier mails are links."""
    subject = headers["subject"]
    composer, quotations = read_body(text, is_html, subject, Composer())
    if not composer.length:
        composer.block(subject)
    own, *earlier = (_MESSAGE_ID.findall(headers[name]) for name in _THREAD)
    composer.anchors |= dict.fromkeys(own[:1], 0)
    answered = list(dict.fromkeys(chain(*earlier)))[-_MOST_LINKS:]
    composer.links += [Link(0, f"ref:{name}") for name in answered]
    metadata: dict[str, Any] = {name: headers[name] for name in _SHOWN if headers[name]}
    try:
        moment = parsedate_to_datetime(headers["date"])
        metadata["date"] = moment.astimezone(UTC) if moment.tzinfo else moment
    except (ValueError, IndexError, TypeError, OverflowError):
        pass
    return replace(composer.content(subject, metadata), quotations=quotations)


def mbox(content: bytes, members: Members) -> Iterator[Content | Unread]:
    """Convert the mails of an mbox file, one document each."""
    begins = [match.span() for match in _FROM.finditer(content)]
    if not begins:
        raise Unread("broken", "not an mbox file: no line begins with From")
    ends = [*(start for start, _ in begins[1:]), len(content)]
    for position, ((_, start), end) in enumerate(zip(begins, ends, strict=True), 1):
        mail, row = _ESCAPED.sub(b"", content[start:end]), str(position)
        try:
            for each in eml(mail, members):
                if isinstance(each, Unread):
                    yield Unread(each.kind, each.reason, f"{row}/{each.row}")
                elif each.file:
                    yield replace(each, file=f"{row}/{each.file}")
                else:
                    yield replace(each, row=row)
        except Unread as fault:
            yield Unread(fault.kind, fault.reason, row)


def msg(content: bytes, members: Members) -> Iterator[Content | Unread]:
    """Convert a mail of Outlook; raise `MissingExtra` without python-oxmsg."""
    with needs("python-oxmsg", "documents"):
        from oxmsg import Message as OutlookMessage
    message = OutlookMessage.load(BytesIO(content))
    headers = dict.fromkeys(_HEADERS, "")
    stated = message.message_headers.items()
    headers |= {name.lower(): " ".join(text.split()) for name, text in stated}
    recipients = ", ".join(str(each.email_address) for each in message.recipients)
    headers |= {"subject": message.subject or "", "from": message.sender or "", "to": recipients}
    if message.sent_date:
        headers["date"] = message.sent_date.strftime("%a, %d %b %Y %H:%M:%S +0000")
    yield _mail(message.body or message.html_body or "", not message.body, headers)
    files = ((e.file_name, e.file_bytes or b"") for e in message.attachments)
    named = ((name or f"attachment-{i}", text) for i, (name, text) in enumerate(files, 1))
    yield from members.read((_SLASH.sub("_", name), partial(_first, text)) for name, text in named)
