"""Convert chat exports of Slack, Teams, Discord and WhatsApp, recognized by their structure.

`chats.cfg` lists the message fields of each export. A notice, such as that someone joined or that
an attachment was left out, is a message without text. An export with another structure is read as
plain JSON or text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any

from graphagg.rag.documents.reading.content import Content, Message
from graphagg.rag.documents.reading.converters.structure import without_tags
from graphagg.rag.documents.reading.rules import applied, rules_of, section

_OTHER_SHAPE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
MENTION = re.compile("\ue002([^\ue003]*)\ue003([^\ue004]*)\ue004")
"""The id of a person or channel, and the name if the message has it."""


def chat_of_json(value: Any) -> Content | None:
    """Convert an export in JSON: a day of a Slack channel, or a chat; None for any other value."""
    for name in ("slack", "teams", "discord"):
        form = section("chats", name)
        with suppress(*_OTHER_SHAPE):
            lists = (value[key] for key in form.get("list", "").split() if key in value)
            rows = next(lists, value)
            every = [each for row in rows for each in (row, *(row.get("replies") or ()))]
            if every and all(all(_holds(form["needs"], each)) for each in every):
                return _chat(map(partial(_message, name), every), _first("channel.name", value))
    return None


def _chat(messages: Iterable[Message], title: str = "") -> Content:
    messages = tuple(messages)
    text = "\n\n".join(f"{each.author}: {each.text}" for each in messages if each.text)
    return Content(text, title, messages=messages)


def _message(name: str, message: Mapping[str, Any]) -> Message:
    form = section("chats", name)
    identifier, answers, user, author, time, text, kind, files, subject = (
        _first(form.get(key, ""), message)
        for key in ("id", "answers", "user", "author", "sent", "text", "html", "files", "subject")
    )
    is_number = time.replace(".", "").isdigit()
    moment = datetime.fromtimestamp(float(time), UTC) if is_number else datetime.fromisoformat(time)
    more = (each for path in form.get("more", "").split() for each in _texts(path, message))
    every = (text, *(each for each in more if each not in text))
    text = "\n".join(dict.fromkeys(_plain(name, each) for each in every))
    people = {each.get("id"): _first("nickname name", each) for each in message.get("mentions", ())}
    text = MENTION.sub(lambda mark: people.get(mark[1]) or mark[0], text)
    text = without_tags(f"<p>{text}</p>") if kind == "html" else text
    body = "\n".join(filter(None, (subject, text.strip(), files)))
    return Message(
        f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        f"\ue002{user}\ue003{author}\ue004" if user else author,
        "" if any(_holds(form["notice"], message)) else body,
        identifier,
        answers if answers != identifier else "",
    )


def _holds(conditions: str, message: Any) -> list[re.Match[str] | None]:
    """Match each condition `path:pattern`; None for a condition that is not met."""
    pairs = (each.split(":", 1) for each in conditions.split())
    return [re.match(pattern, _first(path, message)) for path, pattern in pairs]


def _first(paths: str, value: Any) -> str:
    return "\n".join(next(filter(None, (_texts(path, value) for path in paths.split())), []))


def _texts(path: str, value: Any) -> list[str]:
    """Return the texts at a path; for a list, the texts of its elements."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(path, each)]
    key, _, rest = path.partition(".")
    if key and isinstance(value, dict):
        return _texts(rest, value.get(key))
    return [str(value)] if value and not key and not isinstance(value, dict) else []


def _plain(name: str, text: str) -> str:
    """Remove the markup from a text."""
    rules = rules_of("chats", name) + rules_of("chats", name, "marks")
    return applied(rules, text).strip()


# --- WhatsApp ------------------------------------------------------------------------------------

_UNSEEN = dict.fromkeys(map(ord, "\u200e\u200f\u202a\u202b\u202c\u2068\u2069\ufeff"), "")
_UNSEEN |= dict.fromkeys(map(ord, "\u202f\xa0"), " ")
_AFTERNOON = "p P 下午 午後 오후 م".split()
_HALVES = [*_AFTERNOON, *"a A 上午 午前 오전 ص".split()]


def whatsapp(text: str) -> Content | None:
    """Convert an exported chat with at least three messages; None for any other text."""
    stamp_pattern = re.compile(section("chats", "whatsapp")["stamp"])
    stamps, lines_of = [], list[list[str]]()
    for line in text.split("\n"):
        visible = line.translate(_UNSEEN)
        if stamp := stamp_pattern.match(visible):
            stamps.append(stamp)
            is_message = stamp[10] and ": \u200e" not in line[:150]  # the app's own notices have it
            lines_of.append([visible[stamp.end() :] if is_message else "<>"])
        elif lines_of:
            lines_of[-1].append(visible)
        elif visible.strip():
            return None
    authors = [stamp[10] or "" for stamp in stamps]
    times = _moments(stamps) if sum(map(bool, authors)) >= 3 else []
    texts = [_plain("whatsapp", "\n".join(lines)) for lines in lines_of]
    return _chat(map(Message, times, authors, texts)) if times else None


def _moments(stamps: list[re.Match[str]]) -> list[str]:
    """Parse all timestamps, in the order of day and month with the fewest steps back in time.

    On a tie, take the order with the shorter chat; on another tie, the order of the country.
    """
    is_american = stamps[0][2] == "/" and any(each[9] or each[5] for each in stamps)
    read = []
    for order in ((1, 0), (0, 1)) if is_american else ((0, 1), (1, 0)):
        with suppress(ValueError):
            read.append([_stamped(each, *order) for each in stamps])

    def cost(moments: list[datetime]) -> tuple[int, timedelta]:
        return sum(a > b for a, b in pairwise(moments)), max(moments) - min(moments)

    return [each.isoformat() for each in min(read, key=cost, default=[])]


def _stamped(stamp: re.Match[str], day: int, month: int) -> datetime:
    """Parse a timestamp whose date has day and month at these positions."""
    date, half, hour = [int(stamp[i]) for i in (1, 3, 4)], stamp[5] or stamp[9], int(stamp[6])
    if date[0] > 31:  # a year
        date, day, month = date[::-1], 0, 1
    if half in _HALVES:
        hour = hour % 12 + 12 * (half in _AFTERNOON)
    time = hour, int(stamp[7]), int(stamp[8] or 0)
    return datetime(date[2] % 100 + 2000, date[month], date[day], *time)
