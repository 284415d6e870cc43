"""A log of questions and the passages that answered them, as `rag eval` reads it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PERSONAL = (
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[mail]"),
    (re.compile(r"\bhttps?://\S+"), "[address]"),
    (re.compile(r"\+?\d(?:[\s().-]?\d){5,}"), "[number]"),
    (re.compile(r"\b(?=\w*\d)(?=\w*[A-Za-z])\w{16,}\b"), "[token]"),
)
"""Patterns that are replaced in a question; names stay, because no pattern matches them."""


def redacted(question: str) -> str:
    """A question without mail and web addresses, long numbers and tokens.

    Examples:
        >>> redacted("Did ada@example.org get parcel 4711 0815 22?")
        'Did [mail] get parcel [number]?'
    """
    for pattern, instead in _PERSONAL:
        question = pattern.sub(instead, question)
    return question


class QuestionLog:
    """Appends a line for each answer to a file, which only its owner can read."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._path, self._lock = path, threading.Lock()

    def write(self, question: str, outcome: str, answer: Mapping[str, Any]) -> None:
        """Note a question, redacted, its outcome as `type`, and the ids of its passages."""
        line = json.dumps({
            "id": str(time.time_ns()), "question": redacted(question), "type": outcome,
            "gold_passage_ids": [hit["id"] for hit in answer["hits"]],
            "confidence": answer["confidence"], "mode": answer["mode"],
        })  # fmt: skip
        with self._lock, self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
