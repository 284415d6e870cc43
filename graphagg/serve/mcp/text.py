"""Formats answers as plain text in few tokens, within a budget of characters.

JSON repeats its keys in every hit and escapes texts, and models read plain text. So each tool
returns one text: a short line for each hit, then its passage. Scores are rounded, empty values are
left out, and an answer is never longer than its budget.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphagg.rag.question.excerpts import ELLIPSIS, Span, excerpt, shortened
from graphagg.rag.question.results import unanswered
from graphagg.serve.limits import UNSURE
from graphagg.serve.models.values import JsonAnswer

_GAP, _REST = "\n\n", "({} more found; give more characters)"
_LEAST = 80  # characters of a passage; a hit with less room is not shown
_LONGEST_TITLE = 80


def number(value: float) -> str:
    """A score in three digits."""
    return f"{value:.3g}"


def quoted(title: str) -> str:
    """A title in quotes on one line; a long one is cut."""
    plain = " ".join(title.split())
    return f'"{plain if len(plain) <= _LONGEST_TITLE else plain[:_LONGEST_TITLE] + ELLIPSIS}"'


def search(
    hits: Sequence[JsonAnswer],
    characters: int,
    show: Sequence[str] = (),
    confidence: float | None = None,
) -> str:
    """The hits of a question, best first, within a number of characters.

    Each hit has an equal share of the room that the hits before it left. A passage longer than its
    share is cut around the sentence closest to the question. Hits without room are counted. `show`
    names metadata to write beside each hit.
    """
    if not hits:
        return "no passage found" if confidence is None else unanswered(confidence)
    first = f"confidence {confidence:.2f}" if confidence is not None else ""
    if confidence is not None and confidence < UNSURE:
        first = f"{unanswered(confidence)}; the closest passages:"
    blocks: list[str] = []
    room = characters - len(_REST.format(len(hits))) - len(first) - len(_GAP)
    for head, hit in zip(_heads(hits, show), hits, strict=True):
        fixed = len(head) + len("\n") + len(_GAP)
        share = max(room // (len(hits) - len(blocks)) - fixed, _LEAST)
        if fixed + min(share, len(hit["text"]) + _marks(hit)) > room:
            break
        blocks.append(f"{head}\n{_piece(hit, share)}")
        room -= len(blocks[-1]) + len(_GAP)
    if not blocks:
        return "no hit fits; give more characters"[:characters]
    left = len(hits) - len(blocks)
    return _GAP.join([*filter(None, [first]), *blocks, *([_REST.format(left)] if left else [])])


def _heads(hits: Sequence[JsonAnswer], show: Sequence[str]) -> list[str]:
    """A line for each hit: number, id, title, score and the passage that led to it.

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
    """The passage and the name that led to a hit by a hop."""
    before = hit["path"][:-1]
    passages = [step["passage_id"] for step in before if step["kind"] == "passage"]
    if not passages:
        return []
    bridges = [step["text"] for step in before if step["kind"] in ("entity", "reference")]
    via = f" via {shortened(bridges[-1])}" if bridges else ""
    return [f"from {passages[-1]}{via}"]


def _marks(hit: JsonAnswer) -> int:
    """Characters of the ellipses, if the service cut the passage."""
    return 2 * len(ELLIPSIS) if hit.get("cut") else 0


def _piece(hit: JsonAnswer, characters: int) -> str:
    """A piece of a passage of at most `characters`, ellipses included."""
    text, match = hit["text"], Span(hit["match"]["start"], hit["match"]["end"])
    if len(text) + _marks(hit) > characters:
        characters = max(characters - 2 * len(ELLIPSIS), 1)
    piece = excerpt(text, match, characters)
    cut = hit.get("cut") or {"start": 0, "end": 0, "characters": 0}
    before = piece.span.start > 0 or cut["start"] > 0
    after = piece.span.end < len(text) or cut["end"] < cut["characters"]
    return f"{ELLIPSIS if before else ''}{piece.text}{ELLIPSIS if after else ''}"


def community(answer: JsonAnswer) -> str:
    """The members of a community, one per line, with the neighbors they share with the seeds."""
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
    """The nearest vertices, a line each."""
    lines = [f"{each['id']} {number(each['score'])}" for each in answer["neighbors"]]
    return "\n".join(lines) or "no other vertex"
