"""Options of a request in plain values, for command line, shell, HTTP and MCP.

Each field of `Request` is one option of its name, type, default and documentation, so a new field
needs no line here. Five fields hold objects; `_FORMS` and `_RECENCY` say how they are written:

    filter      words: conditions such as year>=2000, all of which must hold; JSON: an object
    as_of       a date, or a date and time, as text
    recency     two numbers, `recency` and `half_life`
    reranker    words: the name or path of a cross-encoder; JSON: none, a service has its own
    config      none: the command line has presets of its own
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_type_hints

from graphagg.fields import text_of
from graphagg.rag.documents.filters import parse_cli
from graphagg.rag.models.reranker import CrossEncoderReranker
from graphagg.rag.question.request import Request
from graphagg.rag.question.rescoring import Recency

Form = Literal["words", "json"]

_IDS = list[str] | None
_FORMS: dict[str, dict[Form, Any]] = {
    "config": {},
    "filter": {"words": _IDS, "json": dict[str, Any] | None},
    "include": {"words": _IDS, "json": _IDS},
    "exclude": {"words": _IDS, "json": _IDS},
    "as_of": {"words": str | None, "json": str | None},
    "reranker": {"words": str | None},
    "rerank_first": {"words": int},
    "window": {"words": int},
}
"""Types of the fields that are written otherwise than in Python, by form; none is no option."""
_RECENCY = {"recency": ("weight", 0.0), "half_life": ("half_life", Recency.half_life)}
_TEXTS = {
    ("filter", "words"): "condition on metadata: k=v, k!=v, k>=v, k<v, 'k in a,b' or JSON; all of "
    "several must hold.",
}


@dataclass(frozen=True)
class Option:
    """One option of a request.

    Attributes:
        name: name of the option.
        type: type of its plain value.
        default: its default.
        text: its documentation.
        bounds: `least` or `above`, the lower bound of a number, inclusive or not.
    """

    name: str
    type: Any
    default: Any
    text: str
    bounds: Mapping[str, float]


def options(form: Form) -> Iterator[Option]:
    """The options of a request, in the order of the fields of `Request`."""
    hints = get_type_hints(Request)
    for each in fields(Request):
        if each.name == "recency":
            for name, (attribute, usual) in _RECENCY.items():
                bounds = {"above": 0.0} if name == "half_life" else {"least": 0.0}
                yield Option(name, float, usual, text_of(Recency, attribute), bounds)
            continue
        types = _FORMS.get(each.name, {form: hints[each.name]})
        if form in types:
            default = None if types[form] == _IDS else each.default
            text = _TEXTS.get((each.name, form), text_of(Request, each.name))
            yield Option(each.name, types[form], default, text, each.metadata)


def request_of(values: Mapping[str, Any]) -> Request:
    """Make a request from plain values by the names of the options.

    Args:
        values: of some options, in words or JSON; `config` is taken as it is.

    Raises:
        InvalidParameter, InvalidFilter: a value is out of range, or a condition is no condition.

    Examples:
        >>> request_of({"filter": ["year>=2000"], "recency": 0.5, "exclude": None}).recency
        Recency(weight=0.5, half_life=30.0)
    """
    made = dict(values)
    weight, half_life = (made.pop(name, default) for name, (_, default) in _RECENCY.items())
    recency = Recency(weight, half_life)
    conditions = made.pop("filter", None)
    if isinstance(conditions, list | tuple):
        parsed = [parse_cli(text) for text in conditions]
        conditions = {"and": parsed} if parsed else None
    reranker = made.pop("reranker", None)
    return Request(
        filter=conditions,
        include=made.pop("include", None) or None,
        exclude=made.pop("exclude", None) or (),
        recency=recency if weight else None,
        reranker=CrossEncoderReranker(reranker) if isinstance(reranker, str) else reranker,
        **made,
    )
