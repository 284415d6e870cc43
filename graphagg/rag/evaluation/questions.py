"""Questions with their gold passages or answers: read and check them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import InvalidQuestion, UnreadableFile
from graphagg.fields import Brief
from graphagg.rag.documents.passages import iterable
from graphagg.rag.documents.rows import RowConfig, read_rows
from graphagg.rag.question.request import check_question
from graphagg.rag.snapshot.snapshot import PassageSnapshot

_GOLD = ("gold_passage_ids", "gold_document_ids")
_COLUMNS = RowConfig("id", "question", "answers")  # columns that are read as strings from CSV


@dataclass(frozen=True, repr=False)
class GoldQuestion(Brief):
    """A question with the passages or answers that retrieval should find.

    Attributes:
        id: as in the file.
        text: the question.
        gold: ids of the passages, or of the documents, that must be retrieved together; a chunk
            counts for its document.
        type: a label to group by; "" if there is none.
        answers: strings, one of which a passage should contain; gold ids or answers are required.

    Examples:
        >>> GoldQuestion("q1", "Where was Ada born?", frozenset({"ada"})).gold
        frozenset({'ada'})
    """

    id: str
    text: str
    gold: frozenset[str]
    type: str = ""
    answers: tuple[str, ...] = ()


def read_questions(source: str | os.PathLike[str] | Iterable[Any]) -> list[GoldQuestion]:
    """Read questions with their gold passages or answers.

    Fields: `question`; `gold_passage_ids` or `gold_document_ids` (an id, or a list of ids), or
    `answers` (a string, or a list); optionally `id` and `type`. Other fields are ignored.

    Args:
        source: JSON lines (also gzip), a JSON list, CSV or Parquet; or rows: mappings, a data frame
            or an Arrow table. In CSV, a list is written as JSON.

    Raises:
        UnreadableFile: the file is missing, is broken or contains no questions.
        InvalidQuestion: a field is missing or of the wrong type.

    Examples:
        >>> rows = [{"question": "Where was Ada born?", "gold_passage_ids": ["ada"]}]
        >>> read_questions(rows)[0].text
        'Where was Ada born?'
    """
    if isinstance(source, str | os.PathLike):
        rows: Iterable[tuple[Mapping[str, Any], str]] = read_rows(Path(source), _COLUMNS)
        name = str(source)
    else:
        rows = ((row, f"question {i}") for i, row in enumerate(iterable(source)))
        name = "the questions"
    # A service also logs refused questions: skip them until someone adds gold ids or answers.
    questions = [
        _as_question(record, where) for record, where in rows
        if record.get("type") != "refused" or any(map(record.get, (*_GOLD, "answers")))
    ]  # fmt: skip
    if not questions:
        raise UnreadableFile(f"{name}: contains no questions; give at least one")
    return questions


def _as_question(record: Mapping[str, Any], where: str) -> GoldQuestion:
    try:
        question = check_question(record.get("question"))
    except InvalidQuestion as error:
        raise InvalidQuestion(f"{where}: {error}") from None
    gold = {text for name in _GOLD for text in _strings(record, name, where)}
    answers = _strings(record, "answers", where)
    if not gold and not answers:
        raise InvalidQuestion(
            f"{where}: the fields {sorted(record)} lack gold_passage_ids, gold_document_ids and "
            "answers; give one of them"
        )
    identifier = record.get("id")
    name = where if identifier is None else str(identifier)
    return GoldQuestion(
        name, question, frozenset(gold), str(record.get("type") or ""), tuple(answers)
    )


def _strings(record: Mapping[str, Any], name: str, where: str) -> list[str]:
    """Return the strings of a field, which holds one string, a list, or a list as JSON text."""
    value = record.get(name)
    if isinstance(value, str) and value.lstrip().startswith("["):
        with suppress(ValueError):
            value = json.loads(value)
    values = list(value) if isinstance(value, list | tuple | np.ndarray) else [value]
    plain = [str(each) if isinstance(each, Integral) else each for each in values]
    strings = [each for each in plain if each is not None]
    if not all(isinstance(each, str) and each.strip() for each in strings):
        raise InvalidQuestion(f"{where}: {name} is {value!r}, expected a string or list of strings")
    return strings


def check_gold(snapshot: PassageSnapshot, questions: Sequence[GoldQuestion]) -> int:
    """Count the gold ids that are not in the index; raise `InvalidQuestion` if none of them is."""
    gold = sorted({identifier for question in questions for identifier in question.gold})
    missing = [name for name in gold if not snapshot.rows_named(name)]
    if gold and len(missing) == len(gold):
        passage = snapshot.corpus[int(snapshot.alive.argmax())]
        document = f" of document {passage.document!r}" if passage.document else ""
        raise InvalidQuestion(
            f"none of the {len(gold)} gold ids is in the index ({missing[0]!r}, ...), whose "
            f"passages have ids such as {passage.id!r}{document}; give ids of passages or documents"
        )
    return len(missing)
