"""The modes for questions about a corpus as a whole: `broad`, and `auto`, which chooses it.

`auto` takes a question as broad if it asks for more than one thing: it has a word that asks for a
survey ("main", "overview", "themes", "kinds", ...), or begins with words that ask for a list ("what
are", "which packages", "summarize", ...). What it names does not matter then: in a folder of
documents nearly every question names something ("Python", "licenses"). Else it is broad if it names
no entity of the corpus and does not begin with words that ask for one thing ("who", "when", "is",
...). Everything is read from the question alone, so that the choice costs nothing and has a reason
in one sentence.

The head of `broad` follows Santos, Macdonald and Ounis, *Exploiting query reformulations for web
search result diversification* (xQuAD), WWW 2010, with the themes of the corpus as the meanings of a
question. With r(d) the relevance of a candidate of `multihop` in [0, 1], t(d) its theme, w(t) the
worth of the theme for the question, and S the passages chosen before, the next passage has the
largest

    (1 - spread) r(d) + spread w(t) r(d) product over s of S in t(d) of (1 - r(s)).

w(t) is the sum of r(d)^2 over the candidates of the theme, 1 for the theme with most.

After the head, more of the question's own ranking are passages of documents that are there
already. The others are ordered by weighted reciprocal rank fusion (Cormack, Clarke and Buettcher
2009) of `multihop`, `dense` and `bm25`,

    f(d) = sum over rankings of weight / (rank_constant + rank of d),

and documents with a chosen passage come after all others. Their scores go on from the last of the
head. How the constants were chosen: docs/decisions/broad.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from graphagg.arrays import Doubles, Ints
from graphagg.rag.config.broad import BroadConfig
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.results import Theme
from graphagg.rag.corpus.themes.storage import kept_map
from graphagg.rag.documents.passages import Passage
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.plain import bm25_rows
from graphagg.rag.modes.protocol import (
    NOTHING_ADDED,
    USUAL,
    EncodedReading,
    Ranked,
    ReadingRetriever,
)
from graphagg.rag.question.reading import Reading
from graphagg.rag.question.request import Request
from graphagg.rag.question.rescoring import Rescoring
from graphagg.rag.question.results import Explanation, Hit, Hits, Hop
from graphagg.rag.snapshot.dense import dense_rows
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.vectors import Rows

MAP = MapConfig()
"""Settings of the map whose themes are covered."""


class Rankings(NamedTuple):
    """The rankings of a question by three modes, best first.

    Attributes:
        multihop: `[b]`, rows by `multihop`.
        scores: `[b]` their scores.
        dense, bm25: rows.
    """

    multihop: Ints
    scores: Doubles
    dense: Ints
    bm25: Ints


class Broad(ReadingRetriever[BroadConfig]):
    """Passages that `multihop` finds, chosen to cover several themes: see the module."""

    mode = "broad"
    config_type = BroadConfig

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[Ranked]:
        return [Ranked(self._covering(question, k)) for question in questions]

    def _covering(self, question: EncodedReading, k: int) -> list[Hit]:
        """Choose the `k` hits of a question by the themes of the visible passages."""
        rankings = self.rankings(question, max(self.config.pool, k))
        snapshot, view = self.snapshot, self.scope.view
        themes = kept_map(snapshot, view, MAP)
        level = min(self.config.level, len(themes.levels) - 1)
        rows, candidates = candidates_of(snapshot, rankings, self.config)
        of_row = np.asarray(themes.passage_theme[level])[np.searchsorted(view.rows, rows)]
        of_candidate = np.unique(of_row[: len(rankings.multihop)], return_inverse=True)[1]
        chosen = choose(candidates._replace(themes=of_candidate), k, self.config)
        of_level = themes.levels[level]
        return [
            _hit(snapshot, int(rows[each.position]), of_level[int(of_row[each.position])], each)
            for each in chosen
        ]

    def rankings(self, question: EncodedReading, depth: int) -> Rankings:
        """Rank by `multihop`, `dense` and `bm25`, `depth` rows each."""
        snapshot, scope = self.snapshot, self.scope
        config = snapshot.multihop_config(scope.view)
        ranking = Multihop(snapshot, scope, config).ranking(question, depth)
        chosen = ranking.choose(config, depth)
        positions = [position for position, _ in chosen]
        gains = np.array([gain.score(config) for _, gain in chosen])
        near, _ = dense_rows(snapshot.dense, scope.view, question.vector, depth, scope.allowed)
        worded, scores = bm25_rows(snapshot, scope, self._compared(question).lexical, depth)
        return Rankings(
            ranking.candidates.rows[positions],
            ranking.score[positions] + gains,
            near,
            worded[scores > 0],
        )


class Auto(ReadingRetriever[object]):
    """`broad` or `multihop`, by a rule over the question alone: see the module."""

    mode = "auto"

    def answer(
        self, questions: Sequence[EncodedReading], k: int, request: Request = USUAL
    ) -> list[Hits]:
        """Answer each question by the mode that the rule chooses."""
        return [self._chosen(q).answer([q], k, request)[0] for q in questions]

    def explain(
        self,
        question: EncodedReading,
        row: int,
        k: int,
        rescoring: Rescoring = NOTHING_ADDED,
    ) -> Explanation:
        """Explain by the chosen mode, and say why it was chosen."""
        explanation = self._chosen(question).explain(question, row, k, rescoring)
        decision = decide(question.reading)
        name = "broad" if decision.is_broad else "multihop"
        return replace(
            explanation, reason=f"{explanation.reason}; mode {name}, since {decision.why}"
        )

    def _chosen(self, question: EncodedReading) -> Multihop | Broad:
        snapshot, scope = self.snapshot, self.scope
        if decide(question.reading).is_broad:
            return Broad(snapshot, scope, BroadConfig())
        return Multihop(snapshot, scope, snapshot.multihop_config(scope.view))

    def _answer(self, questions: Sequence[EncodedReading], k: int) -> list[Ranked]:
        return [Ranked(hits) for hits in self.answer(questions, k)]

    def _closest(
        self, question: EncodedReading, rows: Rows, passages: Sequence[Passage]
    ) -> list[int]:
        return self._chosen(question)._closest(question, rows, passages)


def candidates_of(
    snapshot: Snapshot, rankings: Rankings, config: BroadConfig
) -> tuple[Ints, Candidates]:
    """Collect the rows of all candidates, `multihop` first, and the candidates without themes."""
    position: dict[int, int] = {}
    ranked = []
    lists = (rankings.multihop, config.weight), (rankings.dense, 1.0), (rankings.bm25, 1.0)
    for rows, weight in lists:
        positions = [position.setdefault(row, len(position)) for row in rows.tolist()]
        ranked.append((np.array(positions, np.int64), weight))
    rows = np.array(list(position), np.int64)
    return rows, Candidates(
        rankings.scores,
        np.zeros(len(rankings.multihop), np.int64),
        documents_of(snapshot, rows),
        fusion(len(rows), ranked, config.rank_constant),
    )


def documents_of(snapshot: Snapshot, rows: Ints) -> Ints:
    """`[n]`, an id below n for the document of each row; a passage that is no chunk has its own."""
    ids: dict[str, int] = {}
    of_row = []
    for position, row in enumerate(rows.tolist()):
        segment, inside = snapshot.corpus.locate(row)
        document = segment.passages.documents[inside]
        of_row.append(ids.setdefault(document, position) if document else position)
    return np.array(of_row, np.int64)


def _hit(snapshot: Snapshot, row: int, theme: Theme, chosen: Chosen) -> Hit:
    """Make a hit whose path names the theme it stands for."""
    components = {"relevance": chosen.relevance, "theme": chosen.theme, "fused": chosen.fused}
    others = chosen.score - chosen.theme
    path = (
        Hop("theme", f"{theme.id} {theme.label}", chosen.worth, chosen.theme),
        Hop("passage", snapshot.corpus.id(row), others, others),
    )
    shown = {name: value for name, value in components.items() if value}
    return Hit(snapshot.corpus[row], chosen.score, shown, path, "broad")


SURVEY = frozenset(
    "main major various different overall general typical common overview summary summarize "
    "summarise themes theme topics topic trends trend kinds kind types type sorts ways areas area "
    "aspects approaches conflicts challenges differences similarities compare landscape survey "
    "list outline describe discuss".split()
)
"""Words that ask for more than one thing."""
_LIST = re.compile(
    r"(what are|what were|which are|which were|how do|how are|list|name (some|all|the)|"
    r"give (me )?(an|some|examples)|tell me about|in (what|which) ways)\b",
    re.IGNORECASE,
)
_PLURAL = re.compile(
    r"(what|which)(\s+\w+){0,2}?\s+(?!(does|was|has|is|this|his|its)\b)\w+[^siu\W]s\b",
    re.IGNORECASE,
)
_ONE = re.compile(
    r"(who|whom|whose|when|where|how (many|much|old|long|far)|is|are|was|were|do|does|did|has|have|"
    r"had|can|could|will|would|should)\b",
    re.IGNORECASE,
)


class Decision(NamedTuple):
    """Whether a question is broad, and why, in a sentence."""

    is_broad: bool
    why: str


def decide(reading: Reading) -> Decision:
    """Choose between `broad` and `multihop` for a question that was read."""
    text = reading.text.strip()
    words = re.findall(r"\w+", text.casefold())
    asked = next((word for word in words if word in SURVEY), None)
    if asked is not None:
        return Decision(True, f"the question asks for a survey: {asked!r}")
    begins = _LIST.match(text) or _PLURAL.match(text)
    if begins is not None:
        return Decision(True, f"the question asks for many: {begins[0]!r}")
    if reading.names:
        named = ", ".join(map(repr, reading.names[:3]))
        return Decision(False, f"the question names {named}")
    if _ONE.match(text):
        return Decision(False, "the question asks for one thing")
    return Decision(True, "the question names nothing and does not ask for one thing")


_DIGITS = 9


class Candidates(NamedTuple):
    """The passages to choose from, the candidates of `multihop` first.

    Attributes:
        scores: `[b]` of the candidates of `multihop`.
        themes: `[b]`, the theme of each of them.
        documents: `[n]`, the document of every candidate, a number below `n`.
        fused: `[n]`, f(d).
    """

    scores: Doubles
    themes: Ints
    documents: Ints
    fused: Doubles


class Chosen(NamedTuple):
    """A passage that was chosen.

    Attributes:
        position: among the candidates.
        relevance, theme, fused: the parts of its score.
        worth: worth of its theme for the question, w(t); 0 after the head.
    """

    position: int
    relevance: float
    theme: float
    fused: float
    worth: float

    @property
    def score(self) -> float:
        """The score that it is ranked by."""
        return self.relevance + self.theme + self.fused


def choose(candidates: Candidates, k: int, config: BroadConfig) -> list[Chosen]:
    """Choose the `k` best candidates, one after another; of equal ones the first.

    Args:
        candidates: of the question.
        k: number of passages.
        config: the weights.
    """
    head = _head(candidates, min(k, config.head), config)
    return head + _tail(candidates, head, k - len(head))


def _head(candidates: Candidates, k: int, config: BroadConfig) -> list[Chosen]:
    """Choose by relevance and themes; each part of a score only falls as more is chosen."""
    themes, relevance = candidates.themes, scaled(candidates.scores)
    worth = worth_of(relevance, themes)
    uncovered = np.ones(len(worth))  # of each theme
    open_ = np.ones(len(relevance), bool)
    chosen: list[Chosen] = []
    for _ in range(min(k, len(relevance))):
        of_theme = config.spread * worth[themes] * relevance * uncovered[themes]
        gain = (1 - config.spread) * relevance + of_theme
        best = int(np.argmax(np.where(open_, np.round(gain, _DIGITS), -np.inf)))
        of_relevance = float((1 - config.spread) * relevance[best])
        theme = themes[best]
        chosen.append(Chosen(best, of_relevance, float(of_theme[best]), 0.0, float(worth[theme])))
        open_[best] = False
        uncovered[theme] *= 1 - relevance[best]
    return chosen


def _tail(candidates: Candidates, head: list[Chosen], k: int) -> list[Chosen]:
    """Choose the next `k` by f(d); passages of documents that were chosen come last."""
    if k <= 0 or not head:
        return []
    documents, fused = candidates.documents, candidates.fused
    taken = {chosen.position for chosen in head}
    seen = {int(documents[position]) for position in taken}
    fresh: list[int] = []
    again: list[int] = []
    for position in np.argsort(-np.round(fused, _DIGITS), kind="stable").tolist():
        if position not in taken:
            document = int(documents[position])
            (again if document in seen else fresh).append(position)
            seen.add(document)
    order = [*fresh, *again][:k]
    # A score never rises: a passage that was put last has at most the worth of the one before.
    worth = np.minimum.accumulate(fused[order]) / max(float(fused.max()), 1e-12)
    return [
        Chosen(position, 0.0, 0.0, head[-1].score * float(share), 0.0)
        for position, share in zip(order, worth, strict=True)
    ]


def scaled(scores: Doubles) -> Doubles:
    """Scale scores from 0 for the least candidate to 1 for the best; all 1 where they are equal."""
    if not len(scores):
        return scores
    low, high = float(scores.min()), float(scores.max())
    relevance: Doubles = (scores - low) / (high - low) if high > low else np.ones(len(scores))
    return relevance


def worth_of(relevance: Doubles, themes: Ints) -> Doubles:
    """`[themes]`, the worth of each for the question: w(t)."""
    sums = np.bincount(themes, relevance**2)
    return sums / max(float(sums.max(initial=0.0)), 1e-12)


def fusion(size: int, rankings: list[tuple[Ints, float]], rank_constant: int) -> Doubles:
    """Fuse rankings into f(d) of each candidate, `[size]`.

    Args:
        size: number of candidates.
        rankings: positions of candidates, best first, and the weight of each ranking.
        rank_constant: number added to ranks, which count from 1.
    """
    fused = np.zeros(size)
    for positions, weight in rankings:
        fused[positions] += weight / (rank_constant + 1.0 + np.arange(len(positions)))
    return fused
