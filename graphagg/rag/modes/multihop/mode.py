"""The mode `multihop`: direct scores, paths over links, and a choice that covers the question.

`Multihop` answers and explains; `HitMaker` makes the hits of a ranking with their components and
paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.documents.links import ANYWHERE, PREFIX
from graphagg.rag.models.encoder import gives_words
from graphagg.rag.modes.confidence import SPREAD
from graphagg.rag.modes.fusion import FIRST
from graphagg.rag.modes.multihop.candidates import FEATURES
from graphagg.rag.modes.multihop.links import KINDS, SIMILAR
from graphagg.rag.modes.multihop.search import Gain, MultihopRanking, MultihopSearch, Step
from graphagg.rag.modes.protocol import (
    DistinctHits,
    EncodedReading,
    QuestionModels,
    RankedHits,
    ReadingRetriever,
    rank_in,
    threshold_of,
)
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.question.results import Explanation, Hit, Hop
from graphagg.rag.tables.gazetteer import REFERENCE
from graphagg.rag.tables.spelling import Speller
from graphagg.rag.tables.vectors import Rows
from graphagg.rag.tables.view import IS_TITLE

_LEAST = 3  # documents that a spread needs


class Multihop(ReadingRetriever[MultihopConfig]):
    """Direct scores, paths over links, and a choice that covers the question."""

    mode = "multihop"
    config_type = MultihopConfig

    def encode(
        self, questions: Sequence[QuestionReading], models: QuestionModels
    ) -> list[EncodedReading]:
        """Encode the questions, with their words where the encoder supports it."""
        encoder = models.encoder()
        if not self.config.open_terms or not gives_words(encoder):
            return super().encode(questions, models)
        spans = [np.array(question.spans, np.int64).reshape(-1, 2) for question in questions]
        encoded = encoder.encode_with_words([question.text for question in questions], spans)
        return [EncodedReading(q, *vectors) for q, vectors in zip(questions, encoded, strict=True)]

    def _rank(self, question: EncodedReading, k: int) -> RankedHits:
        """Rank once; more hits are chosen from the same ranking, up to the size of the pool."""
        maker, most = self._maker(question, k), max(k, self.config.pool)
        best = maker.choice.first(max(k, SPREAD))

        def first(n: int) -> list[Hit]:
            if n > most:  # more candidates
                longer = self._maker(question, n)
                return longer.hits(longer.choice.first(n))
            return maker.hits(best[:n] if n <= len(best) else maker.choice.first(n))

        spread = self._spread(maker, best[:SPREAD]) if best else None
        return RankedHits(first, maker.ranking.question, spread)

    _ranked = _rank  # both readings of a follow-up are blended before passages are chosen

    def _maker(self, question: EncodedReading, k: int, extra: Sequence[int] = ()) -> HitMaker:
        """The ranking from which `k` passages are chosen; `extra` rows are scored, not chosen."""
        search = self._search_for(question)
        maker = HitMaker(search, search.rank(self._scores(question), k, extra))
        if question.behind is None:
            return maker
        weight = self._weight_of_history(question, maker.rows(maker.choice.first(FIRST)))
        if not weight:
            return maker
        return BlendedHits(maker, self._maker(question.behind, k, extra), weight)

    def _spread(self, maker: HitMaker, first: Sequence[tuple[int, Gain]]) -> float:
        """Deviation of the first scores; only the best of a document's chunks counts."""
        scores = np.array([maker.choice.score[at] + sum(gain) for at, gain in first])
        rows = maker.rows(first)
        repeats = np.tril(self.snapshot.corpus.same_document(rows[:, None], rows), -1).any(axis=1)
        documents = scores[~repeats]
        return float(np.std(documents if len(documents) >= _LEAST else scores))

    def _search_for(self, question: EncodedReading) -> MultihopSearch:
        """The search over the visible passages; by words for a question that is not read."""
        config = self.config if question.vector.any() else self.config.unread
        snapshot = self.snapshot
        return MultihopSearch(snapshot.corpus, self.view, snapshot.dense, config)

    def _explain(
        self, question: EncodedReading, row: int, k: int, distinct: DistinctHits
    ) -> Explanation:
        maker, hits = self._maker(question, distinct.ranked), distinct.hits
        chosen, threshold = maker.choice.first(distinct.ranked), threshold_of(hits)
        ranked = rank_in(hits, self.snapshot.corpus.id(row))
        if ranked is not None:
            reason = f"rank {ranked[0]}: {maker.reason(row)}"
            return Explanation(question.text, ranked[0], k, reason, ranked[1], threshold)
        is_candidate = maker.ranking.position(row) is not None
        if is_candidate:
            reason = "a candidate, but outscored"
        else:
            reason = (
                f"no candidate: not among the {max(k, self.config.pool)} closest by similarity and "
                "words, not named by the question, and no link of the best passages leads to it"
            )
            maker = self._maker(question, k, (row,))
            chosen = maker.choice.first(k)
        hit = maker.next_hit(row, chosen)
        if threshold is not None:
            reason += f"; it scores {hit.score:.4f}, the last hit {threshold:.4f}"
        if is_candidate:
            reason += f"; {maker.reason(row)}"
        return Explanation(question.text, None, k, reason, hit, threshold)


class HitMaker:
    """Makes the hits of one ranking, and explains how a passage was reached."""

    def __init__(
        self, search: MultihopSearch, ranking: MultihopRanking, speller: Speller | None = None
    ) -> None:
        self.search, self.ranking, self._config = search, ranking, search.config
        self.choice = ranking.choice
        self.speller = speller or Speller(search.corpus, search.view.gazetteer)

    def rows(self, chosen: Sequence[tuple[int, Gain]]) -> Rows:
        """The rows of chosen candidates."""
        return self.ranking.candidates.rows[[at for at, _ in chosen]]

    def hits(self, chosen: Sequence[tuple[int, Gain]]) -> list[Hit]:
        """Make a hit of each chosen candidate."""
        for row in self.rows(chosen).tolist():  # before paths lead through them
            self.speller.read_whole(row)
        return [self._hit(position, gain) for position, gain in chosen]

    def next_hit(self, row: int, chosen: Sequence[tuple[int, Gain]]) -> Hit:
        """Make a hit of a candidate as if it were chosen after all others."""
        position = self._position(row)
        return self.hits([(position, self.choice.gain_after(chosen, position))])[0]

    def reason(self, row: int) -> str:
        """Explain how a candidate was reached."""
        step = self.ranking.step(row)
        if step is None:
            return "it is scored by itself: no better passage leads to it"
        kind = KINDS[int(step.round.edges.kind[step.edge])]
        kind = "reference" if self._target(step) else kind
        parent = self.search.corpus.id(int(step.round.parent[step.edge]))
        return f"passage {parent!r} leads to it by a {kind} link"

    def _hit(self, position: int, gain: Gain) -> Hit:
        passage = self.speller.passage(int(self.ranking.candidates.rows[position]))
        score, components, path = self._scored(position)
        components |= gain._asdict()
        path[-1] = replace(path[-1], contribution=path[-1].contribution + sum(gain))
        return Hit(
            passage,
            score + sum(gain),
            {name: value for name, value in components.items() if value},
            tuple(path),
            "multihop",
        )

    def _scored(self, position: int) -> tuple[float, dict[str, float], list[Hop]]:
        """Score, components and path of a candidate, before passages are chosen."""
        score = float(self.ranking.score[position])
        return score, self.components(position), self.path(position)

    def path(self, position: int) -> list[Hop]:
        """The hops to a candidate; their contributions add up to its score."""
        row = int(self.ranking.candidates.rows[position])
        return list(self._path(row, self.ranking.step(row)))

    def components(self, position: int) -> dict[str, float]:
        """The parts of a candidate's score, by name."""
        row = int(self.ranking.candidates.rows[position])
        features = self.ranking.candidates.features[position].tolist()
        weights, config = self._config.passage, self._config
        direct = {n: getattr(weights, n) * x for n, x in zip(FEATURES, features, strict=True)}
        step = self.ranking.step(row)
        if step is None:
            return direct
        followed, edge = step.round, step.edge
        passed_on = float(followed.passed_on[edge])
        return {name: config.target * value for name, value in direct.items()} | {
            "inherited": config.inherited * passed_on,
            "reference" if self._target(step) else "link": passed_on
            * float(followed.edges.link[edge]),
            "joint_coverage": config.joint_coverage * float(followed.joint_coverage[edge]),
            "open_terms": config.open_terms * float(followed.open_terms[edge]),
        }

    def _position(self, row: int) -> int:
        position = self.ranking.position(row)
        assert position is not None, "a scored row is a candidate"
        return position

    def _path(
        self, row: int, step: Step | None, share: float = 1.0, lift: float = 0.0
    ) -> Iterator[Hop]:
        """The hops to a passage; contributions add up to `lift` and `share` of its score."""
        config, identifier = self._config, self.search.corpus.id(row)
        direct = self._direct(row)
        if step is None:
            yield from self._start(row)
            yield Hop("passage", identifier, direct, share * direct + lift)
            return
        followed, edge = step.round, step.edge
        parent, passed_on = int(followed.parent[edge]), float(followed.passed_on[edge])
        inherited = share * config.inherited
        if step.index == 0:  # the path begins with the parent, which may pass on more than its F
            more = inherited * (passed_on - self._direct(parent))
            yield from self._path(parent, None, inherited, more)
        else:
            yield from self._path(parent, self.ranking.step(parent, step.index), inherited)
        yield from self._link(step, share * passed_on)
        end = config.target * direct + config.joint_coverage * float(followed.joint_coverage[edge])
        end += config.open_terms * float(followed.open_terms[edge])
        yield Hop("passage", identifier, direct, share * end + lift)

    def _direct(self, row: int) -> float:
        return float(self.ranking.candidates.direct[self._position(row)])

    def _start(self, row: int) -> Iterator[Hop]:
        """The question's entity that the passage is tied to: its title's, else the rarest."""
        question, at = self.ranking.question, self._position(row)
        named = zip(question.reading.names, question.rarity.tolist(), self._ties, strict=True)
        ties = [(bool(tie[at] & IS_TITLE), idf, name) for name, idf, tie in named if tie[at]]
        if ties:
            is_title, _, name = max(ties, key=lambda tie: tie[:2])
            yield Hop("question_entity", name, float(is_title))

    @cached_property
    def _ties(self) -> list[list[int]]:
        """Ties of each of the question's entities to the candidates."""
        ranking, view = self.ranking, self.search.view
        entities, rows = ranking.question.reading.entities, ranking.candidates.rows
        return [view.ties_at(entity, rows).tolist() for entity in entities]

    def _link(self, step: Step, passed_on: float) -> Iterator[Hop]:
        """The sentence and the entity of a hop, or the similarity."""
        search, bridges, edges = self.search, step.round.bridges, step.round.edges
        strength = float(edges.link[step.edge])
        if edges.kind[step.edge] == SIMILAR:
            kind, slope = self._config.link.similar
            cosine = (strength - kind) / slope if slope else 0.0
            yield Hop("similarity", "similar text", cosine, passed_on * strength)
            return
        bridge, row = int(edges.bridge[step.edge]), int(step.round.parent[step.edge])
        entity, sentence = int(bridges.entity[bridge]), int(bridges.sentence[bridge])
        similarity = float(bridges.similarity[bridge])
        of_sentence = 0.0
        if sentence >= 0:
            of_sentence = self._config.link.sentence * similarity
            text = search.corpus.sentence(row, sentence, self.speller.passage(row))
            yield Hop("sentence", text, similarity, passed_on * of_sentence)
        rarity = float(search.view.idf(np.array([entity]))[0])
        of_name = passed_on * (strength - of_sentence)
        if target := self._target(step):
            yield Hop("reference", target, rarity, of_name)
        else:
            yield Hop("entity", self.speller.spelling(entity, row), rarity, of_name)

    def _target(self, step: Step) -> str:
        """Target of a hop by a link between documents; "" for any other hop."""
        gazetteer, edge = self.search.view.gazetteer, step.edge
        bridge = int(step.round.edges.bridge[edge])
        entity = int(step.round.bridges.entity[bridge]) if bridge >= 0 else -1
        if entity < 0 or not gazetteer.kind[entity] & REFERENCE:
            return ""
        return gazetteer.keys[entity].removeprefix(PREFIX).removeprefix(ANYWHERE)


class BlendedHits(HitMaker):
    """Makes the hits of a follow-up: of the question alone, and behind the turn before it."""

    def __init__(self, alone: HitMaker, behind: HitMaker, weight: float) -> None:
        own, other = alone.ranking, behind.ranking
        super().__init__(
            alone.search, alone.search.with_rows(own, other.candidates.rows), alone.speller
        )
        other = behind.search.with_rows(other, own.candidates.rows)
        self._behind, self._weight = HitMaker(behind.search, other, alone.speller), weight
        self._share = 1.0 / (1.0 + weight)
        self.choice = self.choice.blended(self._behind.choice, weight / (1.0 + weight))

    def reason(self, row: int) -> str:
        """Explain how a candidate was reached, by the reading that gives more of its score."""
        own, history = self._shares(self._position(row))
        return self._behind.reason(row) if history > own else super().reason(row)

    def _shares(self, position: int) -> tuple[float, float]:
        """What each reading gives to a score: (s + h t) / (1 + h)."""
        own, history = (float(each.ranking.score[position]) for each in (self, self._behind))
        return self._share * own, self._share * self._weight * history

    def _scored(self, position: int) -> tuple[float, dict[str, float], list[Hop]]:
        own, history = self._shares(position)
        is_behind, share = history > own, self._share
        path = (self._behind if is_behind else self).path(position)
        factor, other = (self._weight * share, own) if is_behind else (share, history)
        path = [replace(hop, contribution=factor * hop.contribution) for hop in path]
        path[-1] = replace(path[-1], contribution=path[-1].contribution + other)
        components = {name: share * value for name, value in self.components(position).items()}
        return own + history, components | {"history": history}, path
