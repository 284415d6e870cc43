"""Formats answers as compact plain text within a token budget.

JSON repeats its keys in every hit and escapes text, and models read plain text. So each tool
returns one text: for each hit a short line, then its passage. Scores are rounded, empty values are
left out, and an answer is never longer than its budget.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphagg.rag.question.budget import whole_sentences
from graphagg.rag.question.excerpts import ELLIPSIS, Span, shortened, tokens_of
from graphagg.rag.question.results import context_of, unanswered
from graphagg.serve.limits import UNSURE
from graphagg.serve.models.values import JsonAnswer

_GAP, _REST = "\n\n", "({} more found; give more max_tokens)"
_LONGEST_TITLE = 80


def number(value: float) -> str:
    """Format a score with three significant digits."""
    return f"{value:.3g}"


def quoted(title: str) -> str:
    """Return a title in quotes on one line; a long one is cut."""
    plain = " ".join(title.split())
    return f'"{plain if len(plain) <= _LONGEST_TITLE else plain[:_LONGEST_TITLE] + ELLIPSIS}"'


def search(
    hits: Sequence[JsonAnswer],
    max_tokens: int,
    show: Sequence[str] = (),
    confidence: float | None = None,
) -> str:
    """Format the hits for a question, best first, in at most `max_tokens` for all lines.

    The first passage that does not fit is cut to whole sentences around the one closest to the
    question. Later hits are only counted. `show` lists metadata keys to print with each hit.
    """
    if not hits:
        return "no passage found" if confidence is None else unanswered(confidence)
    first = f"confidence {confidence:.2f}" if confidence is not None else ""
    if confidence is not None and confidence < UNSURE:
        first = f"{unanswered(confidence)}; the closest passages:"
    blocks = [first] if first else []
    room = max_tokens - tokens_of(first + _GAP + _REST.format(len(hits)))
    left = len(hits)
    for head, hit in zip(_heads(hits, show), hits, strict=True):
        room -= tokens_of(f"{head}\n{_GAP}")
        text = context_of(hit | {"neighbors": None})
        is_whole = tokens_of(text) <= room
        piece = text if is_whole else _piece(hit, room)
        if piece:
            blocks.append(f"{head}\n{piece}")
            room, left = room - tokens_of(piece), left - 1
        if not is_whole:
            break
    return _GAP.join([*blocks, *([_REST.format(left)] if left else [])])


def _heads(hits: Sequence[JsonAnswer], show: Sequence[str]) -> list[str]:
    """Return a line for each hit: number, id, title, score and the passage that led to it.

    A title is left out if an earlier hit has it, or if the id or the text repeats it.
    """
    heads, titles = [], set[str]()
    for rank, hit in enumerate(hits, start=1):
        title = hit["title"]
        words = [f"[{rank}] {hit['id']}"]
        if title and title not in titles and title not in (hit["id"], hit.get("document")):
            if not hit["text"].startswith(title):
                words.append(quoted(title))
            titles.add(title)
        if "page" in hit["metadata"]:
            words.append(f"page {hit['metadata']['page']}")
        words.append(number(hit["score"]))
        words += _origin(hit)
        if versions := hit.get("versions"):
            words.append(f"({versions['text']})")
        if copies := hit.get("copies"):
            words.append(f"(same text: {', '.join(copies[:3])}{', ...' if copies[3:] else ''})")
        values = {key: hit["metadata"][key] for key in show if key in hit["metadata"]}
        words += [f"{key}={shortened(str(value))}" for key, value in values.items()]
        heads.append(" ".join(words))
    return heads


def _origin(hit: JsonAnswer) -> list[str]:
    """Return the passage and the name over which a hop reached a hit."""
    before = hit["path"][:-1]
    passages = [step["passage_id"] for step in before if step["kind"] == "passage"]
    if not passages:
        return []
    bridges = [step["text"] for step in before if step["kind"] in ("entity", "reference")]
    via = f" via {shortened(bridges[-1])}" if bridges else ""
    return [f"from {passages[-1]}{via}"]


def _piece(hit: JsonAnswer, max_tokens: int) -> str:
    """Return whole sentences of a hit, with an ellipsis at each cut end; "" if none fits."""
    text, most = hit["text"], max_tokens - 2 * tokens_of(ELLIPSIS)
    span = whole_sentences(text, Span(**hit["match"]), most)
    if span is None:
        return ""
    cut = hit.get("cut") or {"start": 0, "end": 0, "characters": 0}
    is_cut = cut["end"] < cut["characters"] or span.end < len(text)
    before = ELLIPSIS if span.start or cut["start"] else ""
    return f"{before}{text[slice(*span)]}{ELLIPSIS * is_cut}"


def community(answer: JsonAnswer) -> str:
    """Format a community: one member per line, with the neighbors it shares with the seeds."""
    lines = [f"note: {note}" for note in answer["notes"]]
    lines += [_member(member) for member in answer["members"]]
    return "\n".join(lines) or "no member found"


def _member(member: JsonAnswer) -> str:
    reasons = []
    for shared in member["reason"]:
        count = shared["shared_neighbors"]
        names = ", ".join(map(str, shared["examples"][:3]))
        reason = "many" if count is None else str(count)
        reason += f" shared with {shared['seed']}" + (f" ({names})" if names else "")
        reasons.append(reason + (", adjacent" if shared["adjacent"] else ""))
    return f"{member['id']} {number(member['score'])}" + (f": {'; '.join(reasons)}" * bool(reasons))


def nearest(answer: JsonAnswer) -> str:
    """Format the nearest vertices, one per line."""
    lines = [f"{each['id']} {number(each['score'])}" for each in answer["neighbors"]]
    return "\n".join(lines) or "no other vertex"
