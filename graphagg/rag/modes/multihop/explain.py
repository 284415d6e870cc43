"""From the outcome of `multihop` to hits: the parts of a score, and the path that carries it."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy

import numpy as np

from graphagg.arrays import Doubles
from graphagg.rag.config.multihop import weights_of
from graphagg.rag.modes.multihop.choice import gains_of
from graphagg.rag.modes.multihop.links import KINDS, SIMILAR
from graphagg.rag.modes.multihop.outcome import FEATURES, Outcome, Step
from graphagg.rag.modes.multihop.retriever import MultihopSearch
from graphagg.rag.question.results import Hit, Hop
from graphagg.rag.tables.spelling import Speller
from graphagg.rag.tables.view import OWN


class Explainer:
    """Explains one outcome.

    Args:
        retriever: that gave it.
        outcome: what it gave.
    """

    def __init__(self, retriever: MultihopSearch, outcome: Outcome) -> None:
        self.retriever, self.outcome = retriever, outcome
        self._weights = weights_of(retriever.config.passage)
        self._speller = Speller(retriever.corpus, retriever.view.gazetteer)

    def choosing(self, k: int) -> Explainer:
        """The same answer with another number of passages, at most the pool's."""
        more = copy(self)
        more.outcome = self.retriever.choosing(self.outcome, k)
        return more

    def hits(self, start: int = 0) -> list[Hit]:
        """The chosen passages, in order, from a place on."""
        outcome = self.outcome
        return [
            self.hit(position, gain)
            for position, gain in zip(outcome.chosen[start:], outcome.gains[start:], strict=True)
        ]

    def scores(self) -> Doubles:
        """`[chosen]` of the chosen passages, in order: those of `hits`."""
        outcome, config = self.outcome, self.retriever.config
        gains = np.array(outcome.gains).reshape(-1, 2)
        return outcome.score[outcome.chosen] + (
            config.coverage * gains[:, 0] + config.side * gains[:, 1]
        )

    def hit(self, position: int, gains: tuple[float, float]) -> Hit:
        """One candidate, with what it gains by terms and pages that no earlier one holds."""
        outcome, config = self.outcome, self.retriever.config
        coverage, side = config.coverage * gains[0], config.side * gains[1]
        row = int(outcome.candidates.rows[position])
        components = self._components(position, row) | {"coverage": coverage, "side": side}
        path = list(self._path(row, outcome.step(row)))
        path[-1] = _add(path[-1], coverage + side)
        score = float(outcome.score[position]) + coverage + side
        shown = {name: value for name, value in components.items() if value}
        return Hit(self.retriever.corpus[row], score, shown, tuple(path), "multihop")

    def next_hit(self, row: int) -> Hit:
        """A candidate as if it were chosen after all hits."""
        outcome = self.outcome
        position = outcome.position(row)
        assert position is not None
        candidates = outcome.candidates
        terms = candidates.covers[outcome.chosen].max(axis=0, initial=0.0)
        sides = candidates.pages[outcome.chosen].max(axis=0, initial=0.0)
        new_terms, new_sides = gains_of(candidates, outcome.weights, terms, sides)
        return self.hit(position, (float(new_terms[position]), float(new_sides[position])))

    def _direct(self, position: int) -> dict[str, float]:
        features = self.outcome.candidates.features[position].tolist()
        return {name: self._weights[name] * x for name, x in zip(FEATURES, features, strict=True)}

    def _components(self, position: int, row: int) -> dict[str, float]:
        step = self.outcome.step(row)
        direct = self._direct(position)
        if step is None:
            return direct
        config, round_, edge = self.retriever.config, step.round, step.edge
        handed = float(round_.handed[edge])
        return {name: config.own * value for name, value in direct.items()} | {
            "carried": config.carry * handed,
            "link": handed * float(round_.edges.link[edge]),
            "joint": config.joint * float(round_.joint[edge]),
            "rest": config.rest * float(round_.rest[edge]),
        }

    # --- paths -----------------------------------------------------------------------------------

    def _path(
        self, row: int, step: Step | None, share: float = 1.0, lift: float = 0.0
    ) -> Iterator[Hop]:
        """The hops to a passage; their contributions add up to `lift` and `share` of its score."""
        config, identifier = self.retriever.config, self.retriever.corpus.id(row)
        direct = self._direct_score(row)
        if step is None:
            yield from self._start(row)
            yield Hop("passage", identifier, direct, share * direct + lift)
            return
        parent, handed = int(step.round.parent[step.edge]), float(step.round.handed[step.edge])
        carried = share * config.carry
        if step.number == 0:  # the path begins with the parent, which may hand on more than its F
            more = carried * (handed - self._direct_score(parent))
            yield from self._path(parent, None, carried, more)
        else:
            yield from self._path(parent, self.outcome.step(parent, step.number), carried)
        yield from self._link(step, share * handed)
        own = config.own * direct + config.joint * float(step.round.joint[step.edge])
        own += config.rest * float(step.round.rest[step.edge])
        yield Hop("passage", identifier, direct, share * own + lift)

    def _direct_score(self, row: int) -> float:
        position = self.outcome.position(row)
        assert position is not None
        return float(self.outcome.candidates.direct[position])

    def _start(self, row: int) -> Iterator[Hop]:
        """The entity of the question that ties to the passage: its own, else the rarest."""
        asked, ties = self.outcome.asked, []
        named = zip(asked.reading.names, asked.rarity.tolist(), asked.tied, strict=True)
        for name, idf, (rows, how) in named:
            place = int(rows.searchsorted(np.int32(row)))
            if place < len(rows) and rows[place] == row:
                ties.append((bool(how[place] & OWN), idf, name))
        if ties:
            own, _, name = max(ties, key=lambda tie: tie[:2])
            yield Hop("question_entity", name, float(own))

    def _link(self, step: Step, handed: float) -> Iterator[Hop]:
        """Sentence and entity of a hop that hands on so much; for one by similarity that alone."""
        retriever, bridges, edges = self.retriever, step.round.bridges, step.round.edges
        strength = float(edges.link[step.edge])
        if edges.kind[step.edge] == SIMILAR:
            kind, slope = retriever.config.link.similar
            cosine = (strength - kind) / slope if slope else 0.0
            yield Hop("similarity", "similar text", cosine, handed * strength)
            return
        bridge, row = int(edges.bridge[step.edge]), int(step.round.parent[step.edge])
        entity, sentence = int(bridges.entity[bridge]), int(bridges.sentence[bridge])
        similarity = float(bridges.similarity[bridge])
        of_sentence = 0.0
        if sentence >= 0:
            of_sentence = retriever.config.link.sentence * similarity
            text = retriever.corpus.sentence(row, sentence, self._speller.passage(row))
            yield Hop("sentence", text, similarity, handed * of_sentence)
        name = self._speller.spelling(entity, row)
        rarity = float(retriever.view.idf(np.array([entity]))[0])
        yield Hop("entity", name, rarity, handed * (strength - of_sentence))

    def reason(self, row: int) -> str:
        """How a candidate was reached."""
        step = self.outcome.step(row)
        if step is None:
            return "it is scored by itself: no better passage leads to it"
        kind = KINDS[int(step.round.edges.kind[step.edge])]
        parent = self.retriever.corpus.id(int(step.round.parent[step.edge]))
        return f"passage {parent!r} leads to it by a {kind} link"


def _add(hop: Hop, more: float) -> Hop:
    return Hop(hop.kind, hop.text, hop.score, hop.contribution + more)
