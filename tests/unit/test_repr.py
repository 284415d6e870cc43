"""What Python prints of an answer fits a screen, however much the answer holds."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest

from graphagg import communities, embedding, rag
from graphagg.communities.answer.structure import CommunityStructure
from graphagg.embedding.results import Neighbor, Neighbors
from graphagg.rag.documents.passages import Passage
from graphagg.rag.question.results import Hit, Hits

SCREEN = 24 * 80


class _Text(str):
    """A text that may stand for a member of a community."""

    score = 1 / 3

    @property
    def id(self) -> str:
        return str(self)


LONG = _Text("x" * 10_000)
"""Stands for each field of text; other fields hold a thousand of these, whatever their type."""


def classes() -> list[type]:
    """Every dataclass that the packages show, but settings and what counts itself."""
    faces = (rag, communities, embedding)
    shown = [getattr(face, name) for face in faces for name in face.__all__]
    made = [each for each in (*shown, CommunityStructure) if isinstance(each, type)]
    others = ("Config", "Request", "Partition", "Hierarchy")
    return [e for e in made if is_dataclass(e) and not e.__name__.endswith(others)]


def filled(kind: type) -> Any:
    """An object of a class, each field of which holds far more than a screen."""
    made = object.__new__(kind)
    many = {"str": LONG, "Array": np.zeros(10_000), "int": 10**18, "float": 1 / 3}
    for each in fields(kind):  # type: ignore[arg-type]
        value = many.get(str(each.type), [LONG] * 1000)
        object.__setattr__(made, each.name, value)
    return made


@pytest.mark.parametrize("kind", classes(), ids=lambda kind: kind.__name__)
def test_answers_of_every_kind_fit_a_screen(kind: type) -> None:
    assert len(repr(filled(kind))) < SCREEN


@pytest.mark.parametrize("confidence", [None, 0.123456789012345678])
def test_lists_of_answers_fit_a_screen(confidence: float | None) -> None:
    hit = Hit(Passage(LONG, LONG), 1.0, {LONG: 1.0}, (), "bm25")
    assert len(repr(Hits([hit] * 1000, confidence))) < SCREEN
    assert len(repr(Neighbors([Neighbor(LONG, 1.0)] * 1000))) < SCREEN
