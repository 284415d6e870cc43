"""Tickets: HTML in a cell keeps its paragraphs, nested values are columns."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.rag.documents.reading.files import read, write


def test_tickets_keep_paragraphs_and_nested_values(tmp_path: Path) -> None:
    ticket = {
        "id": 9001, "subject": "Freezer", "requester": {"id": 7, "name": "Bea Berg"},
        "description": "<p>It is <b>warm</b>.</p><p>Ask Al.</p>", "tags": ["a", "b"],
        "comments": [{"author": {"name": "Al"}, "html_body": "<p>Off.</p>"}, {"body": "On."}],
    }  # fmt: skip
    write(tmp_path / "zendesk.jsonl", json.dumps(ticket))
    documents, _ = read(tmp_path)
    document = documents["zendesk.jsonl/9001"]
    assert document.text == (
        "id: 9001\nsubject: Freezer\nrequester.id: 7\nrequester.name: Bea Berg\n"
        "description: It is warm.\n\nAsk Al.\ntags: a, b\n"
        "comments: author.name: Al; html_body: Off.\nbody: On."
    )
    assert document.title == "Freezer" and document.metadata["requester.name"] == "Bea Berg"
    jira = {"issues": [{"key": "P-1", "fields": {"summary": "Late", "status": {"name": "Open"}}}]}
    write(tmp_path / "jira.json", json.dumps(jira))
    documents, _ = read(tmp_path)
    assert "fields.status.name: Open" in documents["jira.json/1"].text
