"""A small knowledge graph of the 2wiki passages: its evidence triples, and links read from text.

The evidence alone chains to three hops 13 times, so links between two passages are also read where
one names the title of the other behind a phrase such as "was the son of". `WRONG` lists what these
phrases got wrong, found by reading every chain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.sets.wording import mentions, words
from graphagg.rag.documents.passages import Passage

Triple = tuple[str, str, str]

_RANK = (
    r"(?:(?:the|King|Queen|Duke|Duchess|Count|Countess|Prince|Princess|Emperor|Sultan|Sir|Lord|Lady"
    r"|HM|Archduke|Archduchess|Landgrave|Margrave|Elector|film|director|then|future) )*$"
)
# relation, whether the subject must be a film, what stands before the object's name
_PHRASES = tuple(
    (relation, film, re.compile(phrase + _RANK))
    for relation, film, phrase in (
        ("director", True, r"[Dd]irected by (?:and starring )?"),
        ("writer", True, r"(?:[Ww]ritten|[Ss]creenplay|[Ss]cript) by "),
        ("composer", True, r"(?:[Cc]omposed|[Mm]usic|[Ss]core) (?:was |is )?by "),
        (
            "source",
            True,
            r"(?:sequel to|remake of|adaptation of)(?: the| a)?(?: \d{4})?(?: silent)?(?: film)? ?"
            r"[\"“']? ?",
        ),
        ("parent", False, r"(?:\bson|\bdaughter|\bchild) of "),
        (
            "spouse",
            False,
            r"(?:marriage to|[Ss]?[Hh]e (?:later |first )?married|(?:is|was) married to"
            r"|(?:was|is) the (?:\w+ )?(?:wife|husband|widow) of) ",
        ),
        (
            "sibling",
            False,
            r"(?:(?:was|is|and) the (?:eldest |elder |younger )?)(?:brother|sister) of ",
        ),
        ("child", False, r"(?:was|is|and) the (?:father|mother) of "),
    )
)
# words between the begin of the sentence and the phrase that make its subject somebody else
_OTHERS = re.compile(
    r"\b(?:wife|married|husband|widow|wed|cousin|either|marriage|sister|brother|grand\w*|nephew"
    r"|niece|uncle|aunt|fellow|with|whose|father,)\b"
)
_SENTENCE = re.compile(r"(?<=[a-z)]{2}[.;]) (?=[A-Z])")
_FILM = re.compile(
    r"^[^.]{0,120}?\b(?:is|was) (?:an?|the) [^.]{0,80}?\bfilm\b"
    r"(?! (?:actor|actress|director|producer|editor|composer|star|and|career))"
)
_PERSON = re.compile(r"^[^.]{0,160}?\b(?:actor|actress|filmmaker|screenwriter|born)\b")
WRONG = frozenset(
    {
        ("Corey Snide", "Billy Elliot"),
        ("Calling Philo Vance", "William Clemens"),
        ("Mark Grant-Sturgis", "Alexander Baring, 4th Baron Ashburton"),
        ("Marie Adélaïde of Savoy", "Louis, Dauphin of France"),
        ("Lambert, Margrave of Tuscany", "Lothair II"),
        ("Ruggles of Red Gap", "Harry Leon Wilson"),
    }
)


def base(title: str) -> str:
    """A title without its final parenthesis."""
    return re.sub(r" \([^()]*\)$", "", title)


@dataclass(frozen=True)
class Link:
    """A passage, and another that is about the object."""

    relation: str
    source: Passage
    target: Passage


class Titles:
    """Passages by title, and by what is left of it without a final parenthesis where one has it."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._by_title = {words(p.title): p for p in passages}
        self._by_base: dict[str, list[Passage]] = {}
        for passage in passages:
            self._by_base.setdefault(words(base(passage.title)), []).append(passage)

    def find(self, name: str) -> Passage | None:
        """The passage about `name`, if there is no doubt."""
        same = self._by_base.get(words(name), [])
        return same[0] if len(same) == 1 else self._by_title.get(words(name))

    def unique(self, passage: Passage) -> bool:
        return len(self._by_base[words(base(passage.title))]) == 1


def links(passages: Sequence[Passage], triples: Sequence[Triple]) -> list[Link]:
    """All links, those of the evidence first; one for each pair of passages."""
    found: dict[tuple[str, str], Link] = {}
    for link in [*_of_evidence(passages, triples), *_of_text(passages)]:
        pair = (base(link.source.title), base(link.target.title))
        if pair not in WRONG and link.source is not link.target:
            found.setdefault((link.source.id, link.target.id), link)
    return list(found.values())


def _of_evidence(passages: Sequence[Passage], triples: Sequence[Triple]) -> Iterator[Link]:
    titles = Titles(passages)
    for subject, relation, object_ in triples:
        source, target = titles.find(subject), titles.find(object_)
        if source and target and mentions(source.text, object_):
            yield Link(relation, source, target)


def _of_text(passages: Sequence[Passage]) -> Iterator[Link]:
    titles = Titles(passages)
    starting: dict[str, list[tuple[str, Passage]]] = {}
    for passage in passages:
        name = base(passage.title)
        if " " in name and titles.unique(passage):
            starting.setdefault(name.split()[0], []).append((name, passage))
    for passage in passages:
        text, film = passage.text, is_film(passage)
        for found in re.finditer(r"[^\W_][^\s]*", text):
            for name, target in starting.get(found.group(), ()):
                end = found.start() + len(name)
                if text.startswith(name, found.start()) and not text[end : end + 1].isalnum():
                    relation = _relation(text[: found.start()], film)
                    if relation:
                        yield Link(_precise(relation, target), passage, target)


def is_film(passage: Passage) -> bool:
    head = passage.text[:240]
    return bool(_FILM.search(head)) and not _PERSON.search(head.split(" film")[0])


def _relation(before: str, of_film: bool) -> str:
    sentence = _SENTENCE.split(before)[-1]
    for relation, film, phrase in _PHRASES:
        found = phrase.search(sentence)
        if found and (of_film if film else not _OTHERS.search(sentence[: found.start()])):
            return relation
    return ""


_KIN = {
    "parent": ("father", "mother"),
    "spouse": ("husband", "wife"),
    "sibling": ("brother", "sister"),
    "child": ("son", "daughter"),
}


def _precise(relation: str, target: Passage) -> str:
    """Father or mother instead of parent, by the pronouns of the passage."""
    return kin(relation, target) if relation in _KIN else relation


def kin(relation: str, person: Passage) -> str:
    """The word for a relative by the pronouns of their passage; the relation itself if unclear."""
    text = words(person.text)
    he, she = (sum(text.count(f" {w} ") for w in ws) for ws in (("he", "his"), ("she", "her")))
    rank = re.search(r"\b(Baron|Duke|Count|Earl|King|Viscount|Baronet|Landgrave)\b", person.title)
    if he == she and not rank:
        return relation
    return _KIN[relation][she > he] if relation in _KIN else relation
