# ruff: noqa: E501
"""Chats of Slack, Teams, Discord and WhatsApp: in the forms that their makers document, and generated.

Forms: Slack, "How to read Slack data exports"; Microsoft Graph, `chatMessage`; DiscordChatExporter,
`JsonMessageWriter`; WhatsApp, the exports of Android and iOS in the locales below.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graphagg.rag import Document
from graphagg.rag.documents.reading.converters.chats import whatsapp
from tests.unit.rag.documents.reading.files import read, write

WORDS = "pump valve seal crane freezer invoice harbor label motor badge ticket cable".split()


def slack(user: str, text: str, at: float, **more: object) -> dict[str, object]:
    return {"type": "message", "user": user, "text": text, "ts": f"{at:.6f}", **more}


def export(root: Path) -> None:
    """An export of Slack by hand: two days of a channel, with a thread over both."""
    users = [
        {"id": "U01", "name": "ann", "real_name": "Ann Lee", "profile": {"display_name": ""}},
        {"id": "U02", "name": "bob", "profile": {"display_name": "bob.k", "real_name": "Bob K"}},
    ]
    write(root / "users.json", json.dumps(users))
    write(root / "channels.json", json.dumps([{"id": "C01", "name": "general", "members": []}]))
    at = datetime(2026, 1, 5, 9, tzinfo=UTC).timestamp()
    question = (
        "Why do the *battery packs* swell? :disappointed: &lt;3 <https://x.org/a|the report>,"
        " <mailto:a@x.org|a@x.org>, <#C01>, <!here>, `a_b` <@U02>"
    )
    days = {
        "2026-01-05": [
            slack("U01", "<@U01> has joined the channel", at, subtype="channel_join"),
            slack("U01", question, at + 60, thread_ts=f"{at + 60:.6f}", reply_count=1),
            slack("U02", "lunch?", at + 120),
            slack("U02", "", at + 180, files=[{"id": "F1", "title": "Plan", "name": "p.pdf"}]),
            slack("U02", "", at + 181),
            {"type": "message", "subtype": "bot_message", "bot_id": "B1", "username": "Build", "text": "",
             "attachments": [{"fallback": "It failed."}], "ts": f"{at + 9000:.6f}"},
        ],
        "2026-01-06": [
            slack("U02", "The cells are overcharged.", at + 86400, thread_ts=f"{at + 60:.6f}"),
            slack("U09", "Hi", at + 86460, user_profile={"real_name": "Cid"}),
        ],
    }  # fmt: skip
    for day, messages in days.items():
        write(root / "general" / f"{day}.json", json.dumps(messages))


def test_an_export_of_slack(tmp_path: Path) -> None:
    export(tmp_path / "slack")
    documents, report = read(tmp_path)
    chats = {name: each for name, each in documents.items() if "/general/" in name}
    thread, lunch, build, hi = (
        next(each for each in chats.values() if each.text.startswith(start))
        for start in ("Ann Lee: Why", "bob.k: lunch", "Build:", "Cid:")
    )
    assert len(chats) == len(documents) == 4  # names are no documents
    assert "5 notices, names and empty messages" in str(report)
    assert thread.text == (
        "Ann Lee: Why do the battery packs swell? disappointed <3 the report, a@x.org, #general, @here,"
        " a_b bob.k\n\nbob.k: The cells are overcharged."
    )
    assert thread.id.startswith("slack/general/2026-01-05.json/") and thread.title == "general"
    assert {key: thread.metadata[key] for key in ("date", "authors", "channel", "path")} == {
        "date": "2026-01-05T09:01:00Z", "authors": ["Ann Lee", "bob.k"], "channel": "general",
        "path": "slack/general/2026-01-05.json",
    }  # fmt: skip
    assert lunch.text == "bob.k: lunch?\n\nbob.k: Plan" and build.text == "Build: It failed."
    assert hi.metadata["date"] == "2026-01-06T09:01:00Z"
    assert (report.read, report.documents) == (4, len(documents))


def graph(number: int, name: str | None, text: str, **more: object) -> dict[str, object]:
    return {
        "id": str(number), "messageType": "message", "createdDateTime": f"2026-01-05T10:{number:02}:00.123Z",
        "from": name and {"application": None, "user": {"id": "8c", "displayName": name}},
        "body": {"contentType": "html", "content": text}, "attachments": [], "replyToId": None, **more,
    }  # fmt: skip


def test_messages_of_teams(tmp_path: Path) -> None:
    first = graph(
        1, "Robin", '<div>Hello <at id="0">Bea</at>,<br>it is <b>warm</b> <emoji id="s" alt="😀" title="S"></emoji></div>',
        subject="Freezer", attachments=[{"id": "1", "name": "plan.docx"}],
        replies=[graph(2, "Bea", "<p>I <i>look</i> at it</p>", replyToId="1")],
    )  # fmt: skip
    joined = graph(3, None, "<systemEventMessage/>", messageType="systemEventMessage")
    deleted = graph(4, "Bea", "", deletedDateTime="2026-01-05T11:00:00Z")
    plain = graph(5, "Al", "") | {"body": {"contentType": "text", "content": "a < b"}}
    value = {"@odata.context": "x", "value": [first, joined, deleted, plain]}
    write(tmp_path / "ops.json", json.dumps(value))
    documents, report = read(tmp_path)
    assert {each.text for each in documents.values()} == {
        "Robin: Freezer\nHello Bea,\nit is warm 😀\nplan.docx\n\nBea: I look at it", "Al: a < b"
    }  # fmt: skip
    assert report.notices == 2 and documents["ops.json/1"].title == "ops"


def discord(number: int, text: str, **more: object) -> dict[str, object]:
    return {
        "id": str(number), "type": "Default", "timestamp": f"2026-01-05T10:{number:02}:00.1234567+01:00",
        "content": text, "author": {"id": "4", "name": "ann", "nickname": "Ann L", "isBot": False},
        "attachments": [], "embeds": [], "mentions": [], **more,
    }  # fmt: skip


def test_a_channel_of_discord(tmp_path: Path) -> None:
    messages = [
        discord(1, "**Why** does <@5> say :smile: <:pog:12> ||`x_y`||?\n```py\na = 1\n```",
                mentions=[{"id": "5", "name": "bob", "nickname": "Bob"}],
                attachments=[{"id": "9", "fileName": "log.txt"}]),
        discord(2, "", type="GuildMemberJoin"),
        discord(3, "because", type="Reply", reference={"messageId": "1", "channelId": "2"},
                author={"id": "5", "name": "bob", "nickname": None}),
        discord(4, "so", type="Reply", reference={"messageId": "3"}),
        discord(5, "", embeds=[{"title": "News", "description": "A dam broke."}]),
    ]  # fmt: skip
    value = {
        "guild": {"id": "1", "name": "G"},
        "channel": {"id": "2", "name": "help"},
        "messages": messages,
    }
    write(tmp_path / "d.json", json.dumps(value))
    documents, _ = read(tmp_path)
    thread = documents["d.json/1"]
    assert (
        thread.text
        == "Ann L: Why does @Bob say smile pog x_y?\n\na = 1\nlog.txt\n\nbob: because\n\nAnn L: so"
    )
    assert (thread.title, thread.metadata["date"]) == ("help", "2026-01-05T09:01:00Z")
    assert documents["d.json/5"].text == "Ann L: News\nA dam broke."


FORMS = {
    "Android, US": "{m}/{d}/{y2}, {h12}:{mi:02} {PM} - {author}: {text}",
    "Android, US, narrow space": "{m}/{d}/{y2}, {h12}:{mi:02}\u202f{PM} - {author}: {text}",
    "Android, GB": "{d:02}/{m:02}/{y}, {h:02}:{mi:02} - {author}: {text}",
    "Android, IN": "{d:02}/{m:02}/{y2}, {h12}:{mi:02} {pm} - {author}: {text}",
    "Android, DE": "{d:02}.{m:02}.{y2}, {h:02}:{mi:02} - {author}: {text}",
    "Android, ES": "{d}/{m}/{y2}, {h12}:{mi:02} {p}. m. - {author}: {text}",
    "Android, SE": "{y}-{m:02}-{d:02} {h:02}:{mi:02} - {author}: {text}",
    "Android, NL": "{d:02}-{m:02}-{y} {h:02}:{mi:02} - {author}: {text}",
    "Android, BR": "{d:02}/{m:02}/{y} {h:02}:{mi:02} - {author}: {text}",
    "Android, JP": "{y}/{m:02}/{d:02} {h:02}:{mi:02} - {author}: {text}",
    "iOS, US": "[{m}/{d}/{y2}, {h12}:{mi:02}:{s:02}\u202f{PM}] {author}: {text}",
    "iOS, GB": "[{d:02}/{m:02}/{y}, {h:02}:{mi:02}:{s:02}] {author}: {text}",
    "iOS, DE": "[{d:02}.{m:02}.{y2}, {h:02}:{mi:02}:{s:02}] {author}: {text}",
    "iOS, FI": "[{d}.{m}.{y} klo {h}.{mi:02}.{s:02}] {author}: {text}",
    "iOS, CN": "[{y}/{m}/{d} {cn}{h12}:{mi:02}:{s:02}] {author}: {text}",
    "iOS, KR": "[{y}. {m}. {d}. {kr} {h12}:{mi:02}:{s:02}] {author}: {text}",
}


def line(form: str, at: datetime, author: str, text: str) -> str:
    noon = at.hour >= 12
    return form.format(
        y=at.year, y2=at.year % 100, m=at.month, d=at.day, h=at.hour, h12=at.hour % 12 or 12, mi=at.minute,
        s=at.second, PM="PM" if noon else "AM", pm="pm" if noon else "am", p="p" if noon else "a",
        cn="下午" if noon else "上午", kr="오후" if noon else "오전", author=author, text=text,
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_generated_chats_of_whatsapp(form: str) -> None:
    """25 chats of 40 messages per form: times, authors and texts, and what is no message."""
    rng = random.Random(form)
    for _ in range(25):
        at = datetime(
            rng.randint(2015, 2030), rng.randint(1, 12), rng.randint(1, 28), rng.randrange(24)
        )
        is_ios = form.startswith("iOS")
        mark = "\u200e" if is_ios else ""
        notice = f"{mark}Messages and calls are end-to-end encrypted."
        lines = [line(FORMS[form], at, "Group" if is_ios else "\0", notice).replace("\0: ", "")]
        wanted: list[tuple[str, str, str]] = []
        for _ in range(40):
            at += timedelta(seconds=rng.choice([1, 60, 3_000, 40_000, 90_000]))
            author = rng.choice(["Ann", "Bob K.", "+47 123 45 678", "~ Cid"])
            text = rng.choice(["", "*", ":"]).join(rng.sample(WORDS, 4)).replace("*", " ")
            shown = rng.choice([text, f"{text}\nsecond line", f"*{text}*"])
            media = (
                ["\u200eimage omitted", "\u200e<attached: 1.jpg>"]
                if is_ios
                else ["<Media omitted>", "<Medien ausgeschlossen>"]
            )
            is_media = rng.random() < 0.1
            lines.append(line(FORMS[form], at, author, rng.choice(media) if is_media else shown))
            moment = at if is_ios else at.replace(second=0)
            plain = "" if is_media else shown.strip("*")
            wanted.append((moment.isoformat(), author.removeprefix("~ "), plain))
        content = whatsapp("\n".join(lines) + "\n")
        assert content is not None and content.messages is not None
        read_back = [tuple(each)[:3] for each in content.messages[1:]]
        assert (read_back, content.messages[0].text) == (wanted, "")


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        ("log.txt", "2026-01-05 10:00 - INFO: The pump runs\n" * 5, "10:00 INFO pump"),
        ("two.txt", "31/12/2026, 21:41 - Ann: one\n31/12/2026, 21:42 - Ann: two\n", "31/12/2026, one two"),
        ("dates.txt", "Minutes\n31/12/2026, 21:41 - Ann: one\n" * 3, "Minutes 31/12/2026, one"),
        ("month.txt", "31/13/2026, 21:41 - Ann: one\n" * 4, "31/13/2026, one"),
        ("slack.json", json.dumps([{"type": "message", "text": "Hi", "ts": "x"}, {"type": "message", "ts": "1"}]), "Hi"),
        ("rows.json", json.dumps([{"type": "a", "ts": "1", "text": "Hi"}, {"type": "message", "ts": "2", "text": "b"}]), "Hi b"),
        ("teams.json", json.dumps({"value": [graph(1, "Al", "x") | {"createdDateTime": "soon"}]}), "Al x soon"),
        ("discord.json", json.dumps({"channel": {}, "messages": [{"id": "1", "content": "only this"}]}), "only this"),
        ("other.json", json.dumps({"messages": "none", "value": [1, 2]}), "none"),
    ],
)  # fmt: skip
def test_what_only_looks_like_a_chat_loses_nothing(
    tmp_path: Path, name: str, content: str, wanted: str
) -> None:
    write(tmp_path / name, content)
    documents, report = read(tmp_path)
    assert report.complete and not report.notices
    text = "\n".join(each.text for each in documents.values())
    assert all(word in text for word in wanted.split())


def test_generated_exports_of_slack(tmp_path: Path) -> None:
    """Each message with text is in one document, threads whole, whatever day a reply is sent on."""
    rng = random.Random(7)
    names = {f"U{n:02}": f"Person {n}" for n in range(9)}
    root = tmp_path / "export"
    users = [{"id": i, "name": "x", "profile": {"real_name": name}} for i, name in names.items()]
    write(root / "users.json", json.dumps(users))
    at = datetime(2026, 3, 1, tzinfo=UTC).timestamp()
    days: dict[str, list[dict[str, object]]] = {}
    threads: dict[str, list[str]] = {}
    alone: list[str] = []
    for number in range(600):
        at += rng.choice([5.0, 60.0, 4_000.0, 30_000.0])
        text, user = f"m{number} {rng.choice(WORDS)}", rng.choice(list(names))
        message = slack(user, text, at)
        if threads and rng.random() < 0.3:
            root_ts = rng.choice(list(threads))
            message["thread_ts"] = root_ts
            threads[root_ts].append(f"{names[user]}: {text}")
        elif rng.random() < 0.2:
            message["thread_ts"] = message["ts"]
            threads[str(message["ts"])] = [f"{names[user]}: {text}"]
        else:
            alone.append(f"{names[user]}: {text}")
        day = datetime.fromtimestamp(at, UTC).date().isoformat()
        days.setdefault(day, []).append(message)
    for day, messages in days.items():
        rng.shuffle(messages)
        write(root / "ops" / f"{day}.json", json.dumps(messages))
    documents, _ = read(tmp_path)
    chats = [each for each in documents.values() if "/ops/" in each.id]
    texts = sorted(line for each in chats for line in each.text.split("\n\n"))
    assert texts == sorted([*alone, *(line for thread in threads.values() for line in thread)])
    by_first = {each.text.partition("\n")[0]: each for each in chats}
    for thread in threads.values():
        if len(thread) > 1:
            assert by_first[thread[0]].text == "\n\n".join(thread)


def test_chats_in_mail_and_alone(tmp_path: Path) -> None:
    """An attached chat is read like a file; a day of Slack without its lists has the ids."""
    write(tmp_path / "2026-01-05.json", json.dumps([slack("U01", "Hi <@U02|bob>", 1.5)]))
    documents, _ = read(tmp_path)
    (document,) = documents.values()
    assert isinstance(document, Document) and document.text == "U01: Hi bob"
