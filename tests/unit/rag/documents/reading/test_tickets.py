# ruff: noqa: E501
"""Tickets of Zendesk and Jira: what people wrote with their names, and the fields by name.

Forms: Zendesk's NDJSON export and ticket API, Jira's REST API of versions 2 and 3. Other rows keep
their columns, HTML in a cell its paragraphs, and nested values are columns.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.unit.rag.documents.reading.files import read, write


def test_a_ticket_of_zendesk(tmp_path: Path) -> None:
    ticket = {
        "id": 9001, "url": "https://x/9001.json", "subject": "Freezer", "status": "open",
        "requester": {"id": 7, "name": "Bea Berg"}, "assignee": None, "requester_id": 7,
        "description": "<p>It is <b>warm</b>.</p><p>Ask Al.</p>", "tags": ["a", "b"],
        "comments": [
            {"author_id": 7, "html_body": "<p>It is <b>warm</b>.</p><p>Ask Al.</p>"},
            {"author": {"name": "Al"}, "html_body": "<p>Off.</p>", "plain_body": "Off."},
            {"body": "On."},
        ],
    }  # fmt: skip
    write(tmp_path / "zendesk.jsonl", json.dumps(ticket))
    documents, _ = read(tmp_path)
    document = documents["zendesk.jsonl/9001"]
    assert document.text == (
        "Bea Berg: It is warm.\n\nAsk Al.\n\nAl: Off.\n\nOn.\n\n"
        "status: open\nrequester: Bea Berg\nrequester_id: 7\ntags: a, b"
    )
    assert document.title == "Freezer"
    known = {key: document.metadata[key] for key in ("requester", "requester.name", "tags")}
    assert known == {"requester": "Bea Berg", "requester.name": "Bea Berg", "tags": ["a", "b"]}
    page = {"tickets": [ticket], "users": [{"id": 7, "name": "Bea Berg"}], "count": 1}
    write(tmp_path / "page.json", json.dumps(page))
    documents, report = read(tmp_path)
    assert documents["page.json/9001"].text == document.text and report.complete
    assert "Bea Berg" in documents["page.json/7"].text


PARAGRAPH = {"type": "paragraph", "content": [
    {"type": "text", "text": "It is "}, {"type": "mention", "attrs": {"id": "1", "text": "@Al"}},
    {"type": "hardBreak"}, {"type": "text", "text": "warm", "marks": [{"type": "strong"}]},
]}  # fmt: skip
ITEMS = {"type": "bulletList", "content": [
    {"type": "listItem", "content": [{"type": "paragraph", "content": [{"type": "text", "text": t}]}]}
    for t in ("one", "two")
]}  # fmt: skip


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ({"type": "doc", "version": 1, "content": [PARAGRAPH, ITEMS]}, "It is @Al\nwarm\n\none\n\ntwo"),
        ("h2. Fix\nsee [docs|http://x] {code:java}x{code} [~bob]", "Fix\nsee docs x bob"),
        ("<p>A</p><p>b &lt; c</p>", "A\n\nb < c"),
        (None, ""),
    ],
)  # fmt: skip
def test_an_issue_of_jira(tmp_path: Path, written: object, shown: str) -> None:
    person = {
        "self": "http://x",
        "accountId": "5b",
        "displayName": "Bea Berg",
        "avatarUrls": {"48x48": "http://x"},
    }
    issue = {
        "id": "10000", "self": "http://x", "key": "P-1", "fields": {
            "summary": "Late", "status": {"self": "http://x", "name": "Open", "id": "1"},
            "assignee": person, "labels": ["a", "b"], "resolution": None, "customfield_1": {"value": "Ops", "id": "3"},
            "description": written, "comment": {"comments": [{"author": person, "body": written}], "total": 1},
        },
    }  # fmt: skip
    write(tmp_path / "jira.json", json.dumps({"startAt": 0, "total": 1, "issues": [issue]}))
    documents, report = read(tmp_path)
    said = [shown, f"Bea Berg: {shown}"] if shown else []
    said = said[1:] if said else said  # a comment that holds the description
    fields = "status: Open\nassignee: Bea Berg\nlabels: a, b\ncustomfield_1: Ops"
    document = documents["jira.json/P-1"]
    assert document.text == "\n\n".join([*said, fields]) and document.title == "Late"
    assert document.metadata["status"] == "Open" and report.complete


def test_rows_that_are_no_tickets_are_rows(tmp_path: Path) -> None:
    rows = [
        {"id": 1, "subject": "A mail", "owner": {"id": 7, "name": "Bea"}},
        {"id": 2, "subject": "Broken", "comments": [1, {"body": {"content": [3]}}], "description": "Warm"},
        {"id": 3, "key": "P-1", "fields": {"summary": "Broken", "description": {"content": [{"attrs": 1}]}}},
    ]  # fmt: skip
    write(tmp_path / "rows.jsonl", "\n".join(map(json.dumps, rows)))
    documents, report = read(tmp_path)
    assert documents["rows.jsonl/1"].text == "id: 1\nsubject: A mail\nowner.id: 7\nowner.name: Bea"
    assert "description: Warm" in documents["rows.jsonl/2"].text
    assert "fields.summary: Broken" in documents["rows.jsonl/P-1"].text and report.complete


def test_generated_tickets(tmp_path: Path) -> None:
    """200 tickets of each form: every text with its author, once, and in the order of the file."""
    rng = random.Random(5)
    wanted, lines, issues = {}, [], []
    for number in range(200):
        people = {n: f"Person {n}" for n in rng.sample(range(90), 3)}
        said = [
            (rng.choice(list(people)), f"t{number}c{i} is said") for i in range(rng.randint(0, 5))
        ]
        texts = [f"{people[who]}: {text}" for who, text in said]
        first = said[0][1] if said else "Nothing."
        wanted[str(number + 1)] = texts or [first]
        wanted[f"P-{number}"] = [f"d{number}", *texts]
        lines.append(json.dumps({
            "id": number + 1, "subject": "s", "description": first,
            **{role: {"id": n, "name": name} for role, (n, name) in zip(("requester", "submitter", "assignee"), people.items(), strict=True)},
            "comments": [{"id": i, "author_id": who, "body": text} for i, (who, text) in enumerate(said)],
        }))  # fmt: skip
        comments = [{"author": {"displayName": people[who]}, "body": text} for who, text in said]
        fields = {"summary": "s", "description": f"d{number}", "comment": {"comments": comments}}
        issues.append({"id": str(number), "key": f"P-{number}", "fields": fields})
    write(tmp_path / "a.jsonl", "\n".join(lines))
    write(tmp_path / "b.json", json.dumps({"issues": issues}))
    documents, report = read(tmp_path)
    assert report.complete and len(documents) == 400
    for name, document in documents.items():
        texts = document.text.split("\n\n")
        expected = wanted[name.rpartition("/")[2]]
        assert texts[: len(expected)] == expected
