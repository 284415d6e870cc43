"""The results of a retrieval: frozen dataclasses that explain why a passage was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from graphagg.fields import Brief, short
from graphagg.rag.documents.passages import Passage
from graphagg.rag.question.excerpts import (
    ELLIPSIS,
    MARKS,
    MOST_NAMES,
    NOWHERE,
    Excerpt,
    Place,
    Span,
    excerpt,
    fitting,
    marks_of,
    place_of,
    short_metadata,
    shortened,
    tokens_of,
)
from graphagg.tables import Tabular, ranks_column

if TYPE_CHECKING:
    import pyarrow

    from graphagg.rag.tables.segments import StoredCorpus

HopKind = Literal["question_entity", "sentence", "entity", "reference", "similarity", "passage"]
Method = Literal["multihop", "linearrag", "rrf", "dense", "bm25"]


@dataclass(frozen=True, repr=False)
class Hop(Brief):
    """One step of a hop path.

    Attributes:
        kind: `question_entity`, `sentence`, `entity`, `reference` (a link between documents),
            `similarity` or `passage`.
        text: the mention in the question, the sentence, the entity's name, the target of the link,
            or the passage's title (its id if it has none).
        score: for a sentence its cosine with the question; for a `similarity` the cosine of the two
            passages. In `multihop`, for a passage its direct score F, for an entity or link its
            idf. In `linearrag`, for an entity its activation, for the `question_entity` its
            similarity to the next entity, for the passage the last entity's share of its prior.
        contribution: its part of the hit's score; the contributions of a path add up to the score.
        passage_id: id of a `passage`; "" for other kinds.

    Examples:
        >>> Hop("entity", "Ada Lovelace", 6.2, 0.4).contribution
        0.4
    """

    kind: HopKind
    text: str
    score: float
    contribution: float = 0.0
    passage_id: str = ""

    @classmethod
    def to_passage(
        cls, corpus: StoredCorpus, row: int, score: float, contribution: float = 0.0
    ) -> Hop:
        """Return the hop to the passage in a row."""
        identifier = corpus.id(row)
        title = corpus.title(row) or identifier
        return cls("passage", title, score, contribution, identifier)


@dataclass(frozen=True)
class VersionPlace:
    """The place of a document among its visible versions.

    Attributes:
        place: position, where 1 is the newest.
        of: number of versions.
        first, last: the earliest and the latest of their dates, ISO 8601.

    Examples:
        >>> print(VersionPlace(1, 4, "2022-01-01", "2025-03-01"))
        newest of 4 versions, 2022 to 2025
    """

    place: int
    of: int
    first: str
    last: str

    def __str__(self) -> str:
        ordinal = f"version {self.of + 1 - self.place}"
        name = {1: "newest", self.of: "oldest"}.get(self.place, ordinal)
        length = len("2022") if self.first[:4] < self.last[:4] else len("2022-01-01")
        times = dict.fromkeys((self.first[:length], self.last[:length]))
        return f"{name} of {self.of}{' versions' * (name != ordinal)}, {' to '.join(times)}"

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, with the string form as `text`."""
        return {**vars(self), "text": str(self)}


@dataclass(frozen=True, repr=False)
class Hit(Brief):
    """A retrieved passage.

    Attributes:
        passage: id, title, text, metadata, and position in a document. Title and metadata are
            those of the whole passage; `place` and `metadata` of the hit are those of the match.
        score: the number that hits are ranked by.
        components: the parts of the score, by name; they add up to it. In `multihop` the terms of
            the formula at the head of `config.multihop`: of the passage itself (`similarity`,
            `sentence`, `lexical`, `title`, `entities`), of the path that leads to it (`inherited`,
            `link` or `reference`, `joint_coverage`, `open_terms`), and of the selection
            (`coverage`, `named_page`, `document`). In `linearrag`: `dense` and `entity`, the parts
            of the passage's prior, and `walk`, the gain by PageRank. In `rrf`: the shares of
            `dense` and `bm25`; in modes `dense` and `bm25`: only the part of that name. In any
            mode: `recency` and `history`, if requested, and `version` and `repeats`, if versions
            of a document, or hits that repeat their file, changed places.
        path: from an entity in the question, or the first passage of the path, to this passage.
        method: the mode that found the hit. In mode `linearrag` it is `dense` if the question
            names no entity.
        neighbors: with `Request.neighbors`, the chunks around it in its document, in order.
        match: span of the sentence in the passage's text that is closest to the question: by
            vectors and words, in `dense` by vectors, in `bm25` by words.
        copies: ids of other visible passages with the same text, which are not separate hits.
        versions: its document's place among its versions; None if there are no other versions.
        span: with `Request.max_tokens`, the span of the sentences that fit; None: the whole text.
        apart: words in the path of its file that distinguish it from files of other hits with
            similar paths, such as the year of a report. They depend on the other hits and are
            ignored when two hits are compared.

    Examples:
        >>> passage = Passage("p1", "Ada lived in York. She wrote notes.", "Ada")
        >>> hit = Hit(passage, 1.2, {"bm25": 1.2}, (), "bm25", match=Span(0, 18))
        >>> hit.sentence, hit.excerpt(20).marked
        ('Ada lived in York.', 'Ada lived in York....')
        >>> hit.context(18), hit.to_json()["score"]
        ('Ada lived in York....', 1.2)
    """

    passage: Passage
    score: float
    components: Mapping[str, float]
    path: tuple[Hop, ...]
    method: Method
    neighbors: tuple[Passage, ...] = field(default=())
    match: Span = NOWHERE
    copies: tuple[str, ...] = ()
    versions: VersionPlace | None = None
    span: Span | None = None
    apart: tuple[str, ...] = field(default=(), compare=False)

    @property
    def text(self) -> str:
        """The text of the passage, or the part of it that fits `max_tokens`."""
        return self.excerpt(len(self.passage.text)).text

    @property
    def place(self) -> Place:
        """Title, headings, page and anchor of the sentence that matched."""
        return place_of(self.passage, self.match.start)

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata of the passage, with `heading`, `page` and `anchor` of the match."""
        metadata, place = dict(self.passage.metadata), self.place
        if marks_of(metadata):
            del metadata[MARKS]
            for key, value in (("heading", list(place.heading)), ("page", place.page)):
                metadata.pop(key, None)
                metadata |= {key: value} if value else {}
        if isinstance(metadata.get("anchors"), Mapping) and place.anchor:
            metadata["anchor"] = place.anchor
        return metadata

    @property
    def sentence(self) -> str:
        """The sentence of the passage that is closest to the question."""
        return self.passage.text[self.match.start : self.match.end]

    def with_part(self, name: str, gain: float) -> Hit:
        """Return the hit with one more component, which is added to the last hop's contribution."""
        if not gain:
            return self
        *before, last = self.path
        last = replace(last, contribution=last.contribution + gain)
        components, path = {**self.components, name: gain}, (*before, last)
        return replace(self, score=self.score + gain, components=components, path=path)

    def excerpt(self, characters: int) -> Excerpt:
        """Cut the text to a number of characters around the sentence that matched."""
        text = self.passage.text
        first, end = self.span or (0, len(text))
        match = Span(*(min(max(edge, first), end) - first for edge in self.match))
        piece = excerpt(text[first:end], match, characters)
        shown = Span(*(edge + first for edge in piece.span))
        return replace(piece, span=shown, characters=len(text))

    def to_json(self, characters: int | None = None) -> dict[str, Any]:
        """Return JSON values with the keys of the command line's `--json`.

        Args:
            characters: limit on the texts of passage and neighbors together; `cut` is the span
                that is shown. None: no limit.
        """
        if characters is None:
            return self._full(self.excerpt(len(self.passage.text)), self.neighbors)
        return self._bounded(characters)

    def _full(self, piece: Excerpt, neighbors: Sequence[Passage]) -> dict[str, Any]:
        passage = self.passage
        chunk = {"document": passage.document, "position": passage.position}
        around = [{"id": p.id, "position": p.position, "text": p.text} for p in neighbors]
        cut = {**piece.span._asdict(), "characters": piece.characters}
        return {
            "id": passage.id,
            "title": self.place.title,
            "text": piece.text,
            "match": piece.match._asdict(),
            "score": self.score,
            "method": self.method,
            "components": dict(self.components),
            "path": [vars(hop) for hop in self.path],
            "metadata": self.metadata,
            **(chunk if passage.document else {}),
            **({"neighbors": around} if around else {}),
            **({"copies": list(self.copies)} if self.copies else {}),
            **({"versions": self.versions.to_json()} if self.versions else {}),
            **({"apart": list(self.apart)} if self.apart else {}),
            **({"cut": cut} if piece.is_cut else {}),
        }

    def context(self, characters: int) -> str:
        """Return the text for a language model, with the neighboring chunks that fit.

        An ellipsis marks where the passage is cut.
        """
        return context_of(self.to_json(characters))

    def _bounded(self, characters: int) -> dict[str, Any]:
        """Return JSON of limited size: an excerpt of the text, with long values truncated."""
        piece = self.excerpt(characters)
        rest = 0 if piece.is_cut else characters - len(piece.text)
        full = self._full(piece, fitting(self.neighbors, self.passage.position, rest))
        full["title"] = shortened(full["title"])
        full["path"] = [{**step, "text": shortened(step["text"])} for step in full["path"]]
        full["metadata"] = short_metadata(full["metadata"])
        if self.copies:
            full["copies"] = full["copies"][:MOST_NAMES]
        return full


def context_of(hit: Mapping[str, Any]) -> str:
    """Return the text of a hit's JSON with its neighbors; an ellipsis marks a cut."""
    if cut := hit.get("cut"):
        after = ELLIPSIS if cut["end"] < cut["characters"] else ""
        return f"{ELLIPSIS if cut['start'] else ''}{hit['text']}{after}"
    around = {each["position"]: each["text"] for each in hit.get("neighbors") or []}
    around[hit.get("position", 0)] = hit["text"]
    return "\n".join(around[position] for position in sorted(around))


class Hits(list[Hit], Tabular):
    """The hits for a question, best first; a list that converts to a table.

    Args:
        hits: best first.
        confidence: see the attribute.

    Attributes:
        confidence: the chance that the gold passages are among the first k hits, 0 to 1; see
            `graphagg.rag.modes.confidence`. None if the question has no vector.

    Examples:
        >>> passage = Passage("p1", "Ada lived in York.")
        >>> hits = Hits([Hit(passage, 1.2, {"bm25": 1.2}, (), "bm25")])
        >>> hits.to_arrow().select(["rank", "id", "component_bm25"]).to_pylist()
        [{'rank': 1, 'id': 'p1', 'component_bm25': 1.2}]
        >>> hits.to_pandas().shape[0]
        1
    """

    def __init__(self, hits: Iterable[Hit] = (), confidence: float | None = None) -> None:
        super().__init__(hits)
        self.confidence = confidence

    def __repr__(self) -> str:
        sure = "" if self.confidence is None else f", confidence {self.confidence:.2f}"
        return f"Hits({len(self)}{sure}: {short([hit.passage.id for hit in self])})"

    @property
    def tokens(self) -> int:
        """Total number of tokens of all texts, at four bytes of UTF-8 per token, without titles."""
        return sum(tokens_of(hit.text) for hit in self)

    def to_arrow(self) -> pyarrow.Table:
        """Return a table with one row per hit.

        Columns: `rank` (from 1), `id`, `title`, `text`, `score`, `method`, `document` and
        `position` (empty and 0 for a passage that is not a chunk), `metadata` as JSON,
        `component_<name>` for each part of a score, and `path`, a list of hops with `kind`,
        `text`, `score`, `contribution` and `passage_id`.
        """
        import json

        import pyarrow as pa

        text, real = pa.string(), pa.float64()
        hop = {"kind": text, "text": text, "score": real, "contribution": real, "passage_id": text}
        parts = {f"component_{name}": 0.0 for hit in self for name in hit.components}
        types = {"id": text, "title": text, "text": text, "score": real, "method": text}
        types |= {"document": text, "position": pa.int64(), "metadata": text}
        types |= {**dict.fromkeys(parts, real), "path": pa.list_(pa.struct(hop))}
        rows = [
            {
                **vars(hit),
                **vars(hit.passage),
                "text": hit.text,
                "title": hit.place.title,
                "metadata": json.dumps(hit.metadata, ensure_ascii=False),
                **parts,
                **{f"component_{name}": value for name, value in hit.components.items()},
                "path": [vars(step) for step in hit.path],
            }
            for hit in self
        ]
        table = pa.Table.from_pylist(rows, pa.schema(types))
        return table.add_column(0, "rank", ranks_column(len(self)))


PARTS_IN_WORDS = {
    "similarity": "close to the question in meaning",
    "sentence": "its closest sentence is close to the question",
    "lexical": "contains words of the question",
    "title": "the question names its title",
    "entities": "contains entities that the question names",
    "link": "strength of the link that leads to it",
    "reference": "strength of the link from document to document that leads to it",
    "inherited": "share of the score of the previous passage on the path",
    "joint_coverage": "words of the question that are in both together, but in neither alone",
    "open_terms": "close to the words that are not in the previous passage",
    "coverage": "words of the question that are in no earlier hit",
    "named_page": "first hit that is the page of an entity in the question",
    "document": "the question names its document",
    "dense": "close to the question in meaning",
    "bm25": "contains words of the question",
    "entity": "contains active entities",
    "walk": "reached by walks from entities in the question",
    "question": "fits the question alone",
    "history": "fits the previous turn and the question together",
    "recency": "more for newer passages",
    "version": "changed places with another version of its document",
    "repeats": "it, or an earlier hit, repeats its file",
}
"""A short description of each part of a score."""


def unanswered(confidence: float) -> str:
    """Return the message for an answer whose confidence is below the requested minimum."""
    return f"nothing here seems to answer this (confidence {confidence:.2f})"


@dataclass(frozen=True, repr=False)
class Explanation(Brief):
    """The reason for the rank of a passage in the answer to a question.

    Attributes:
        question: the question.
        rank: rank of the passage, from 1; None if it is not among the first `k`.
        k: number of requested hits.
        reason: the reason as a sentence.
        hit: the passage with its score, components and path; None if the passage is hidden.
            Beyond the first `k` the score is what it would be if the passage were chosen next.
        threshold: the score of the last of the first `k` hits; None if there are no hits.

    Examples:
        >>> why = Explanation("Who is Ada?", None, 5, "left out by the filter", None, 1.5)
        >>> why.to_json()["reason"]
        'left out by the filter'
    """

    question: str
    rank: int | None
    k: int
    reason: str
    hit: Hit | None
    threshold: float | None

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**vars(self), "hit": None if self.hit is None else self.hit.to_json()}
