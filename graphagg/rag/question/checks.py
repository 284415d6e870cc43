"""Checks of questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from graphagg.checks import integer
from graphagg.errors import InvalidQuestion

LONGEST_QUESTION = 10_000
"""Characters a question may have."""


def check_request(questions: Sequence[str], k: int) -> None:
    """Raise `InvalidParameter` or `InvalidQuestion` for what cannot be answered."""
    integer("k", k, 1)
    for question in questions:
        check_question(question)


def questions_of(questions: Iterable[str]) -> list[str]:
    """Many questions; raises `InvalidQuestion` for one, which would be taken letter by letter."""
    if isinstance(questions, str) or not hasattr(questions, "__iter__"):
        raise InvalidQuestion(
            f"questions is a {type(questions).__name__}, wanted a list of strings; ask a single "
            "one by retrieve"
        )
    return list(questions)


def check_question(question: object) -> str:
    """The question; raises `InvalidQuestion` for anything else."""
    if not isinstance(question, str):
        raise InvalidQuestion(f"the question is a {type(question).__name__}, wanted a string")
    if not question.strip():
        raise InvalidQuestion("the question is empty; ask something")
    if len(question) > LONGEST_QUESTION:
        raise InvalidQuestion(
            f"the question has {len(question):,} characters, at most {LONGEST_QUESTION:,} are "
            "taken; shorten it"
        )
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise InvalidQuestion(
            f"the question's character {error.start} is a lone surrogate, not Unicode text; "
            "remove it"
        ) from None
    return question
