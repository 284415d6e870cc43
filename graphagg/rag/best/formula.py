"""The formula of `mode="best"`, its constants, and what each part is worth.

A passage p has the direct score

    F(p) = 1.1 similarity + .6 sentence + lexical + .1 title words + .4 title + .4 entities

- similarity, sentence: the largest cosine of p, and of a sentence of p, with the question or one of
  its parts. Parts are the text before and after each stop word, and the question without each
  entity that it names; the longest `parts` of them.
- lexical, title words: BM25 (k1 1.2, b .75) of p, and (k1 .5, b .5) of its title, each over the sum
  of idf of the question's terms: which share of the question's words is matched.
- title: 1 if the question names p's title.
- entities: the share of the question's named entities, weighted by idf, that p is tied to.

From each of the `beam` best passages p an entity e that p mentions leads to passages q tied to e:

    path(p, q) = F(p) (.4 + link) + .3 F(q) + .2 joint
    link = kind + slope idf(e) + .1 cos(question, sentence of e in p) + .15 relation

- kind and slope depend on how q is tied to e, and how p mentions it; see `LinkWeights`. An entity
  that ties more than `most_passages` passages, or is a date, leads to its own page only.
- relation: whether a word of the question stands within 4 words of e in p (same first 5 letters),
  1 beside it and .2 less a word.
- joint: how much more of the question's terms, weighted by idf, p and q hold together than the
  better of the two holds alone.

A page of an entity that the question names (its title is the entity, or its text begins with it)
hands on more than its F: half of what the best such page of the beam has more is added, so that
the sides of a comparison are followed alike. The `second_beam` best of the other passages whose
score a path raised lead on once more, with their path score for F. f(p) is the best of F(p) and its
paths. Passages are then chosen one after another by

    f(p) + .8 (share of terms that no chosen passage holds yet) + .3 (named entities, of which p is
    a page and no chosen passage is)

which keeps a place for each side of a comparison. That sum is the score.

Sources: the design follows a prototype made for this project; spreading activation through entities
is LinearRAG's (arXiv 2510.10114), choosing by what is not yet covered is maximal marginal relevance
(Carbonell and Goldstein 1998) with terms for similarity.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from graphagg.checks import integer, one_of


@dataclass(frozen=True)
class PassageWeights:
    """Weights of the parts of F; see the module."""

    similarity: float = 1.1
    sentence: float = 0.6
    lexical: float = 1.0
    title_words: float = 0.1
    title: float = 0.4
    entities: float = 0.4


@dataclass(frozen=True)
class LinkWeights:
    """Strength of a link: `(kind, slope)` by how q is tied to e, and what is added.

    Attributes:
        page: q's title is e.
        page_nested: q's title is e, and e lies inside a longer name in p.
        lead: q's text begins with e.
        title_part: q's title contains e.
        shared: q mentions e.
        shared_nested: q mentions e, and e lies inside a longer name in p, or in its title.
        sentence: weight of cos(question, sentence of e in p).
        relation: weight of a question word beside e.
    """

    page: tuple[float, float] = (0.2, 0.15)
    page_nested: tuple[float, float] = (0.2, 0.1)
    lead: tuple[float, float] = (0.15, 0.15)
    title_part: tuple[float, float] = (0.0, 0.1)
    shared: tuple[float, float] = (-0.1, 0.15)
    shared_nested: tuple[float, float] = (-0.15, 0.2)
    sentence: float = 0.1
    relation: float = 0.15


@dataclass(frozen=True)
class BestConfig:
    """Settings of `mode="best"`; the formula is at the head of the module.

    Attributes:
        passage: weights of a passage's direct score F.
        link: strengths of links.
        carry: how much of a passage's score goes on through any link.
        own: how much of F(q) counts at the end of a path.
        joint: weight of what both ends of a path cover together.
        coverage: weight of terms that no chosen passage holds yet; more of it gives more varied
            hits (up to 2 pays on corpora where questions have many sides).
        side: weight of being the first page of a named entity.
        level: how far named pages are raised to the best of them in what they hand on, 0 to 1.
        parts: parts of the question that are encoded beside it.
        pool: passages that F is computed for, best similarity, words and titles first.
        beam: passages that lead on; `second_beam`: those that lead on to a third hop.
        most_passages: an entity tied to more passages leads to its own page only.
    """

    passage: PassageWeights = PassageWeights()
    link: LinkWeights = LinkWeights()
    carry: float = 0.4
    own: float = 0.3
    joint: float = 0.2
    coverage: float = 0.8
    side: float = 0.3
    level: float = 0.5
    parts: int = 5
    pool: int = 50
    beam: int = 4
    second_beam: int = 3
    most_passages: int = 20

    def __post_init__(self) -> None:
        for name, least in (("parts", 0), ("pool", 1), ("beam", 0), ("second_beam", 0)):
            integer(name, getattr(self, name), least)

    def without(self, part: str) -> BestConfig:
        """The settings with one part switched off; raises `InvalidParameter` with the names."""
        return _off(self, PARTS[one_of("part", part, PARTS)])


_NO_LINK = (-10.0, 0.0)
PARTS: dict[str, dict[str, Any]] = {
    "similarity": {"passage.similarity": 0.0},
    "sentence": {"passage.sentence": 0.0, "link.sentence": 0.0},
    "lexical": {"passage.lexical": 0.0, "passage.title_words": 0.0},
    "title": {"passage.title": 0.0},
    "entities": {"passage.entities": 0.0},
    "parts": {"parts": 0},
    "links": {"beam": 0},
    "page-links": {"link.page": _NO_LINK, "link.page_nested": _NO_LINK},
    "nested-page-links": {"link.page_nested": _NO_LINK},
    "lead-links": {"link.lead": _NO_LINK},
    "title-part-links": {"link.title_part": _NO_LINK},
    "shared-links": {"link.shared": _NO_LINK, "link.shared_nested": _NO_LINK},
    "relation": {"link.relation": 0.0},
    "joint": {"joint": 0.0},
    "coverage": {"coverage": 0.0},
    "sides": {"side": 0.0, "level": 0.0},
    "third-hop": {"second_beam": 0},
}
"""The parts that `without` and `graphagg rag eval --ablate` switch off."""


def _off(config: BestConfig, values: dict[str, Any]) -> BestConfig:
    for name, value in values.items():
        group, _, inner = name.rpartition(".")
        if group:
            value = replace(getattr(config, group), **{inner: value})
        config = replace(config, **{group or inner: value})
    return config


def weights_of(weights: PassageWeights) -> dict[str, float]:
    """The weights by name, in order."""
    return {field.name: getattr(weights, field.name) for field in fields(weights)}
