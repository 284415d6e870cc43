# ruff: noqa: E501
"""Issues of Jira: their fields are columns, and texts in its document format are texts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.rag.documents.reading.files import read, write

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
        ({"type": "doc", "content": [3, {"attrs": 1, "content": 2}]}, "3"),
        ("<p>A</p><p>b &lt; c</p>", "A\n\nb < c"),
    ],
)  # fmt: skip
def test_an_issue_of_jira(tmp_path: Path, written: object, shown: str) -> None:
    comments = [{"author": {"displayName": "Bea Berg"}, "body": written}]
    fields = {
        "summary": "Late", "status": {"name": "Open"}, "labels": ["a", "b"], "resolution": None,
        "description": written, "comment": {"comments": comments, "total": 1},
    }  # fmt: skip
    issue = {"id": "10000", "self": "http://x", "key": "P-1", "fields": fields}
    write(tmp_path / "jira.json", json.dumps({"startAt": 0, "total": 1, "issues": [issue]}))
    documents, report = read(tmp_path)
    document = documents["jira.json/P-1"]
    assert document.title == "Late" and document.metadata["status.name"] == "Open"
    assert document.text == (
        "id: P-1\nsummary: Late\nstatus.name: Open\nlabels: a, b\n"
        f"description: {shown}\n"
        f"comment.comments: author.displayName: Bea Berg; body: {shown}\ncomment.total: 1"
    )
    assert report.complete


def test_people_beside_tickets_are_rows(tmp_path: Path) -> None:
    tickets = [{"id": 1, "subject": "Freezer", "comments": [{"html_body": "<p>It is warm.</p>"}]}]
    page = {"tickets": tickets, "users": [{"id": 7, "name": "Bea Berg"}], "count": 1}
    write(tmp_path / "page.json", json.dumps(page))
    documents, report = read(tmp_path)
    assert (
        documents["page.json/1"].text == "id: 1\nsubject: Freezer\ncomments: html_body: It is warm."
    )
    assert "Bea Berg" in documents["page.json/7"].text and report.complete
