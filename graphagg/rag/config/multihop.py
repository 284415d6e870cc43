"""The formula of `mode="multihop"` and its constants.

A passage p has the direct score

    F(p) = 1.4 similarity + .4 sentence + 1.75 lexical + .8 title + .2 entities

- similarity, sentence: the cosine of the question with p, and the largest with a sentence of p.
- lexical: BM25 (k1 1.2, b .75) of p over the sum of idf of the question's terms: the share of the
  question's words that p matches.
- title: idf(e) / r^2 if the question names p's title e and p is the r-th closest of the passages of
  that title by similarity + lexical: a name identifies the document, but not one of its chunks.
- entities: the mean over the question's named entities e of idf(e), 0 where p is not tied to e.

In idf(e) = ln(N / df) / ln N, df is the number of passages that e is tied to. A product name that
occurs in most files of a folder has little weight; a name in few passages has nearly full weight.

The `beam` best passages p are the frontier. Paths lead from them to passages q. If they are chunks
of documents, paths also start at up to eight other chunks of their documents in the pool, and every
chunk of a document passes on as much as the best one:

    path(p, q) = F(p) (.4 inherited + link) + .25 target F(q)
               + .4 joint_coverage + .6 open_terms

- inherited: the share of F(p) that every path passes on, and target: the share of F(q) that counts
  at the end of a path.
- link, through an entity e that p mentions and q is tied to: kind + slope idf(e) + .1 times the
  cosine of the question and the sentence of e in p. Kind and slope depend on how q is tied to e;
  see `LinkWeights`. An entity that ties more than `most_passages` passages, or is a date, leads to
  its own page only; one that the question names leads nowhere, since the question itself finds the
  passages tied to it. Of the passages that have e as their title the closest one is the page; the
  r-th keeps 1 / r^2 of the advantage of a page over a passage that mentions e. If e has two words,
  a passage whose title is a longer form of it (three to five words, the same at both ends), or
  whose text begins with such a form, is linked as if its text began with e: so "Karan Johar" leads
  to "Karan Kumar Johar (born 1972) ...".
- link, in a chain: if a clause describes the target of the question ("the spouse of the actress who
  ...", in English, without "or") and no candidate so far contains .7 of the question's terms, we
  add .1 to the kind of a mention and subtract .05 from that of a page: the passage that is needed
  often mentions e only in passing (not in profile `fast`).
- link, by reference: if p links to q's document, or to an anchor in q: kind + slope idf + .1 times
  the cosine as above; the closest chunk of the target is q. Such a link has one direction.
- link, by similarity: kind + slope cos(p, q), where q is one of the `pool` passages that F was
  computed for first. These links connect passages in a corpus without names.
- joint_coverage: how much more of the question's terms, weighted by idf, p and q contain together
  than the better of the two contains alone.
- open_terms: how close q is to the open terms of the question, less the mean over all passages that
  p leads to through entities (links by similarity have 0). Open terms are the words that p does not
  contain; their vector is the sum of their vectors in the question. Closeness is the cosine with
  the closest sentence of q that mentions e. Example: in "the spouse of the actress in ...", if p is
  the page of a film, "spouse" is an open term, so of the passages on its actresses those that
  mention a spouse gain. If p contains all words, or the encoder has no vectors of words, we use the
  vector of the question instead.

No link leads from a chunk to another one of its document: they share names since they are one text.

A page of an entity that the question names (its title is the entity, or its text begins with it)
passes on as much as the best such page of the frontier (`equal_pages`), so that both sides of a
comparison are treated equally. From the `second_beam` best of the other passages whose score a path
raised, paths lead on once more through entities, with the path score in place of F. f(p) is the
best of F(p) and its paths. If one passage contains a share h > .9 of the question's terms, a second
one matters less: the frontier passes on 1 - 3 (h - .9) of its scores. Passages are then chosen one
after another by

    f(p) + .9 coverage + .2 named_page + .4 document

- coverage: the share of the question's terms that p contains and no chosen passage does. It has a
  quarter of its weight if the question names no entity and h < .9: then usually one passage is
  enough, and the second best is better than a passage with new words (not in profile `fast`).
- named_page: the sum of idf of the named entities that have p, but no chosen passage, as page.
- document: min(1, D^(2R - 2)) / n (r + 2 min(r, 1) h). r is the sum of ln(D / df) / ln D over the
  names in the question that occur in the title or path of p's document, and of df of the D
  documents; R is the largest r. D^(1 - R) documents would have such names by chance, and n
  documents have at least .79 R: names that many documents have identify none. A name is a word with
  a capital or a digit, or two or three words that a path writes as one: "FY2018 3M" distinguishes
  "3M_2018_10K.pdf" from its neighbors. h ranks the chunks of a document: s / (1 + s), where s is
  the sum over the other terms of 1 / (1 + m) for the shortest heading above p with the term, of m
  words; the lines at the head of a table are headings. The frontier is chosen by F plus this term,
  which is for files only: passages with a `path` in their metadata.

So the hits cover each side of a question. That sum is the score.

If most of the visible passages are in languages that the default encoder has seen too little of,
the weights of all cosines are multiplied by a share (`knowing`), computed from the vectors of the
passages (`graphagg.rag.models.encoding.center.known_share`); in profile `fast` those of similarity
and sentence are halved (`weighing`). If most of them are source code, the vectors have .7 of the
weight of similarity, sentence and lexical, not .51 (`leaning`); in profile `fast` .15, without
links and coverage. A question that the encoder splits into single letters has the zero vector
(`graphagg.rag.models.encoding.legible`); then only words, titles and entities count, and no links
are followed (`word_only`). The same holds if the share above is below .16.

The constants were chosen on the first halves of twelve sets of nine kinds, one vote per set;
docs/decisions/best-constants.md has the figures, also with each set left out, and what was tried
and left out of the formula. `python -m benchmarks.retrieval.choose` reports them.

Sources: the design follows a prototype made for this project; spreading activation through entities
is LinearRAG's (arXiv 2510.10114), choosing by uncovered terms is maximal marginal relevance
(Carbonell and Goldstein 1998) with terms in place of similarity.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from graphagg.checks import integer, one_of


@dataclass(frozen=True)
class PassageWeights:
    """Weights of the terms of F; see the module."""

    similarity: float = 1.4
    sentence: float = 0.4
    lexical: float = 1.75
    title: float = 0.8
    entities: float = 0.2


@dataclass(frozen=True)
class LinkWeights:
    """Strength of a link: `(kind, slope)` by the tie of q to e, and the weight of the sentence.

    Attributes:
        page: q's title is e.
        lead: q's text begins with e.
        shared: q mentions e, in its text or title.
        reference: q is the target of a link in p, or the closest chunk of the target.
        similar: q is close to p by their vectors; the slope multiplies their cosine.
        sentence: weight of cos(question, sentence of e in p).
        chain: added to the kinds of page and shared if the question describes a chain.
    """

    page: tuple[float, float] = (0.1, 0.3)
    lead: tuple[float, float] = (0.15, 0.15)
    shared: tuple[float, float] = (-0.1, 0.25)
    reference: tuple[float, float] = (0.2, 0.0)
    similar: tuple[float, float] = (-0.3, 0.6)
    sentence: float = 0.1
    chain: tuple[float, float] = (-0.05, 0.1)


@dataclass(frozen=True)
class MultihopConfig:
    """Settings of `mode="multihop"`; the formula is at the head of the module.

    Attributes:
        passage: weights of a passage's direct score F.
        link: strengths of links.
        inherited: share of the score of the previous passage that every path passes on.
        target: weight of the direct score F(q) of the passage at the end of a path.
        joint_coverage: weight of the question's terms that both ends of a path contain together,
            but neither alone.
        open_terms: weight of how close the end of a path is to the terms of the question that its
            start does not contain.
        answered: how much less paths count if one passage contains the words of the question.
        coverage: weight of terms that no chosen passage contains yet; a larger weight gives more
            varied hits.
        unnamed: share of `coverage` for a question that names no entity.
        named_page: weight of being the first chosen page of an entity that the question names.
        document: weight of names of the document, and of headings, that the question contains.
        equal_pages: whether pages of named entities pass on as much as the best of them.
        pool: number of passages that F is computed for, the best by similarity, words and titles.
        beam: number of passages where paths start; `second_beam`: those that lead to a third hop.
        most_passages: an entity tied to more passages leads to its own page only.

    Examples:
        >>> config = MultihopConfig(beam=5)
        >>> config.open_terms, config.without("open-terms").open_terms
        (0.6, 0.0)
    """

    passage: PassageWeights = PassageWeights()
    link: LinkWeights = LinkWeights()
    inherited: float = 0.4
    target: float = 0.25
    joint_coverage: float = 0.4
    open_terms: float = 0.6
    answered: float = 3.0
    coverage: float = 0.9
    unnamed: float = 0.25
    named_page: float = 0.2
    document: float = 0.4
    equal_pages: bool = True
    pool: int = 50
    beam: int = 3
    second_beam: int = 3
    most_passages: int = 40

    def __post_init__(self) -> None:
        for name, least in (("pool", 1), ("beam", 0), ("second_beam", 0)):
            integer(name, getattr(self, name), least)

    def weighing(self, share: float) -> MultihopConfig:
        """Return settings with the weights of similarity and sentence multiplied by `share`."""
        passage = self.passage
        similarity, sentence = share * passage.similarity, share * passage.sentence
        return replace(self, passage=replace(passage, similarity=similarity, sentence=sentence))

    def leaning(self, share: float) -> MultihopConfig:
        """Return settings in which vectors have `share` of the weight of vectors and words."""
        passage = self.passage
        vectors, total = passage.similarity + passage.sentence, self._vectors_and_words
        words = replace(self, passage=replace(passage, lexical=(1.0 - share) * total))
        return words.weighing(share * total / vectors)

    @property
    def vector_share(self) -> float:
        """Share of the vectors in the weight of vectors and words."""
        return 1.0 - self.passage.lexical / self._vectors_and_words

    @property
    def _vectors_and_words(self) -> float:
        return self.passage.similarity + self.passage.sentence + self.passage.lexical

    def knowing(self, share: float) -> MultihopConfig:
        """Return settings with the weights of all cosines multiplied by `share`, also in links."""
        kind, slope = self.link.similar
        link = replace(
            self.link, similar=(kind, share * slope), sentence=share * self.link.sentence
        )
        return replace(self.weighing(share), link=link, open_terms=share * self.open_terms)

    @property
    def word_only(self) -> MultihopConfig:
        """Return settings for a question that the encoder cannot read: only words and names."""
        config = self
        for part in ("similarity", "sentence", "links", "coverage"):
            config = config.without(part)
        return config

    def without(self, name: str) -> MultihopConfig:
        """Return settings with one of `ABLATIONS` off; raises `InvalidParameter`."""
        config = self
        for path, value in ABLATIONS[one_of("part", name, ABLATIONS)].items():
            group, _, inner = path.rpartition(".")
            if group:
                value = replace(getattr(config, group), **{inner: value})
            config = replace(config, **{group or inner: value})
        return config


FAST = MultihopConfig(
    passage=PassageWeights(0.7, 0.2, 2.0, 1.2, 0.2),
    link=LinkWeights(shared=(0.0, 0.25), chain=(0.0, 0.0)),
    target=0.3, joint_coverage=0.0, open_terms=0.0, coverage=0.4, answered=0.0, unnamed=1.0,
    named_page=0.3, beam=2, second_beam=4,
)  # fmt: skip
"""Settings of an index of profile `fast`, chosen like the defaults, for its vectors and names.

Words and titles weigh more, similarity less; docs/decisions/static-table.md has the figures.
"""

_NO_LINK = (-10.0, 0.0)
ABLATIONS: dict[str, dict[str, Any]] = {
    "similarity": {"passage.similarity": 0.0},
    "sentence": {"passage.sentence": 0.0, "link.sentence": 0.0},
    "lexical": {"passage.lexical": 0.0},
    "title": {"passage.title": 0.0},
    "entities": {"passage.entities": 0.0},
    "links": {"beam": 0},
    "page-links": {"link.page": _NO_LINK},
    "lead-links": {"link.lead": _NO_LINK},
    "shared-links": {"link.shared": _NO_LINK},
    "reference-links": {"link.reference": _NO_LINK},
    "similar-links": {"link.similar": _NO_LINK},
    "chains": {"link.chain": (0.0, 0.0)},
    "joint-coverage": {"joint_coverage": 0.0},
    "open-terms": {"open_terms": 0.0},
    "coverage": {"coverage": 0.0},
    "documents": {"document": 0.0},
    "named-pages": {"named_page": 0.0, "equal_pages": False},
    "third-hop": {"second_beam": 0},
}
"""Parts that `without` can switch off, with the values that switch them off."""
