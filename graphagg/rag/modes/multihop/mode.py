"""The mode `multihop`: direct scores, paths over links, and a selection that covers the question.

`RankingHits` builds the hits of a ranking with their components and paths, and explains them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from graphagg.nearest.vectors import Rows
from graphagg.rag.config.multihop import MultihopConfig
from graphagg.rag.models.encoder import checked, gives_words
from graphagg.rag.modes.confidence import SPREAD
from graphagg.rag.modes.multihop.candidates import FEATURES
from graphagg.rag.modes.multihop.links import KINDS, SIMILAR
from graphagg.rag.modes.multihop.search import Gain, MultihopRanking, MultihopSearch, Step
from graphagg.rag.modes.protocol import EncodedQuestion, QuestionModels, Ranking, Retriever
from graphagg.rag.modes.question_scores import QuestionScores
from graphagg.rag.question.reading import QuestionReading
from graphagg.rag.question.results import Hit, Hop
from graphagg.rag.tables.mentions import ANYWHERE, PREFIX
from graphagg.rag.tables.view import IS_TITLE

MIN_DOCUMENTS = 3  # needed to compute a spread over documents


class Multihop(Retriever):
    """Direct scores, paths over links, and a selection that covers the question."""

    mode = "multihop"
    config_type = MultihopConfig

    def encode(
        self, questions: Sequence[QuestionReading], models: QuestionModels
    ) -> list[EncodedQuestion]:
        """Encode the questions, with vectors of their words if the encoder supports it."""
        encoder = models.encoder()
        if not self.config.open_terms or not gives_words(encoder):
            return super().encode(questions, models)
        spans = [np.array(question.spans, np.int64).reshape(-1, 2) for question in questions]
        encoded = encoder.encode_with_words([question.text for question in questions], spans)
        for (vector, words), of_words in zip(encoded, spans, strict=True):
            checked(encoder, vector, 1)
            checked(encoder, words, len(of_words))
        return [EncodedQuestion(q, *vectors) for q, vectors in zip(questions, encoded, strict=True)]

    def rank(self, question: EncodedQuestion, k: int) -> Ranking:
        """Rank once; more hits are chosen from the same ranking, up to the size of the pool."""
        # A question that the encoder does not read is ranked by words and names alone.
        config = self.config if question.vector.any() else self.config.word_only
        search = MultihopSearch(self.source.multihop(config))
        return RankingHits(search, search.rank(self.source.scores(question), k), k)


class RankingHits(Ranking):
    """The hits of one ranking, with the parts of their scores and their paths.

    Attributes:
        search: the search that made the ranking.
        ranking: its candidates and scores.
        choice: chooses passages one after another.
    """

    def __init__(self, search: MultihopSearch, ranking: MultihopRanking, k: int) -> None:
        self.search, self.ranking, self._config = search, ranking, search.config
        self.choice = ranking.choice
        self.scores: QuestionScores = ranking.question
        self._speller = search.source.speller(ranking.question)
        self._most, self._first = max(k, self._config.pool), self.choice.take(max(k, SPREAD))
        self.spread = self._spread(self._first[:SPREAD]) if self._first else None

    def _spread(self, chosen: Sequence[tuple[int, Gain]]) -> float:
        """Return the standard deviation of the first scores, with the best score per document."""
        scores = np.array([self.choice.score[at] + sum(gain) for at, gain in chosen])
        rows = self._rows(chosen)
        same_document = self.search.source.corpus.same_document
        repeats = np.tril(same_document(rows[:, None], rows), -1).any(axis=1)
        documents = scores[~repeats]
        return float(np.std(documents if len(documents) >= MIN_DOCUMENTS else scores))

    def take(self, n: int) -> list[Hit]:
        """Return the first `n` hits; if the pool is too small, rank again with more candidates."""
        if n > self._most:
            return RankingHits(self.search, self.search.rank(self.scores, n), n).take(n)
        return self._hits(self._first[:n] if n <= len(self._first) else self.choice.take(n))

    def missed(self, row: int, taken: int) -> tuple[Hit, str]:
        """Return the hit that a row would be after the first `taken`, and why it is not a hit."""
        if self.ranking.position(row) is not None:
            reason = f"a candidate, but outscored; {self.reason(row)}"
            return self._next_hit(row, taken), reason
        with_row = RankingHits(self.search, self.search.rank(self.scores, taken, (row,)), taken)
        return with_row._next_hit(row, taken), (
            f"not a candidate: it is not among the {self._most} closest by similarity and words, "
            "the question does not name it, and no link of the best passages leads to it"
        )

    def _rows(self, chosen: Sequence[tuple[int, Gain]]) -> Rows:
        """Return the rows of chosen candidates."""
        return self.ranking.candidates.rows[[at for at, _ in chosen]]

    def _hits(self, chosen: Sequence[tuple[int, Gain]]) -> list[Hit]:
        """Build a hit for each chosen candidate."""
        rows = self._rows(chosen).tolist()
        self._speller.prepare(rows, [each for row in rows for each in self._mentions(row)])
        return [self._hit(position, gain) for position, gain in chosen]

    def _next_hit(self, row: int, taken: int) -> Hit:
        """Build the hit of a candidate as if it were chosen after the first `taken`."""
        position = self._position(row)
        gain = self.choice.gain_after(self.choice.take(taken), position)
        return self._hits([(position, gain)])[0]

    def reason(self, row: int) -> str:
        """Explain how a candidate was reached."""
        step = self.ranking.step(row)
        if step is None:
            return "its own score counts, since no link from another passage raises it"
        kind = KINDS[int(step.round.edges.kind[step.edge])]
        kind = "reference" if self._target(step) else kind
        parent = self.search.source.corpus.id(int(step.round.parent[step.edge]))
        return f"passage {parent!r} leads to it by a {kind} link"

    def _hit(self, position: int, gain: Gain) -> Hit:
        row, chosen = int(self.ranking.candidates.rows[position]), sum(gain)
        parts = self._components(row, position) | gain._asdict()
        *path, last = self._path(row, self.ranking.step(row))
        return Hit(
            self._speller.passage(row),
            float(self.ranking.score[position]) + chosen,
            {name: value for name, value in parts.items() if value},
            (*path, replace(last, contribution=last.contribution + chosen)),
            "multihop",
        )

    def _components(self, row: int, position: int) -> dict[str, float]:
        """Return the parts of a candidate's score before it is chosen, by name."""
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
        self, row: int, step: Step | None, factor: float = 1.0, offset: float = 0.0
    ) -> Iterator[Hop]:
        """Yield the hops to a passage; they add up to `offset` plus `factor` times its score."""
        config, corpus, direct = self._config, self.search.source.corpus, self._direct(row)
        if step is None:
            yield from self._start(row)
            yield Hop.to_passage(corpus, row, direct, factor * direct + offset)
            return
        followed, edge = step.round, step.edge
        parent, passed_on = int(followed.parent[edge]), float(followed.passed_on[edge])
        inherited = factor * config.inherited
        if step.index == 0:  # the path begins with the parent, which may pass on more than its F
            more = inherited * (passed_on - self._direct(parent))
            yield from self._path(parent, None, inherited, more)
        else:
            yield from self._path(parent, self.ranking.step(parent, step.index), inherited)
        yield from self._link(step, factor * passed_on)
        end = config.target * direct + config.joint_coverage * float(followed.joint_coverage[edge])
        end += config.open_terms * float(followed.open_terms[edge])
        yield Hop.to_passage(corpus, row, direct, factor * end + offset)

    def _mentions(self, row: int) -> Iterator[tuple[int, int]]:
        """Yield the entities on the path to a row, and the passages that mention them."""
        step = self.ranking.step(row)
        while step is not None:
            followed, bridge = step.round, int(step.round.edges.bridge[step.edge])
            row = int(followed.parent[step.edge])
            if bridge >= 0:
                yield int(followed.bridges.entity[bridge]), row
            step = self.ranking.step(row, step.index)

    def _direct(self, row: int) -> float:
        return float(self.ranking.candidates.direct[self._position(row)])

    def _start(self, row: int) -> Iterator[Hop]:
        """Yield the named entity that is the passage's title, else the rarest it is tied to."""
        question, at = self.ranking.question, self._position(row)
        tied = self.ranking.candidates.ties[at].tolist()
        named = zip(question.reading.names, question.rarity.tolist(), tied, strict=True)
        ties = [(bool(tie & IS_TITLE), idf, name) for name, idf, tie in named if tie]
        if ties:
            is_title, _, name = max(ties, key=lambda tie: tie[:2])
            yield Hop("question_entity", name, float(is_title))

    def _link(self, step: Step, passed_on: float) -> Iterator[Hop]:
        """Yield the sentence and the entity of a link, or the similarity."""
        source, bridges, edges = self.search.source, step.round.bridges, step.round.edges
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
            text = source.corpus.sentence(row, sentence, self._speller.passage(row))
            yield Hop("sentence", text, similarity, passed_on * of_sentence)
        rarity = float(source.view.idf(np.array([entity]))[0])
        of_name = passed_on * (strength - of_sentence)
        if target := self._target(step):
            yield Hop("reference", target, rarity, of_name)
        else:
            yield Hop("entity", self._speller.spelling(entity, row), rarity, of_name)

    def _target(self, step: Step) -> str:
        """Return the target of a link between documents; "" for any other hop."""
        bridge = int(step.round.edges.bridge[step.edge])
        keys = self.search.source.view.gazetteer.keys
        key = keys[int(step.round.bridges.entity[bridge])] if bridge >= 0 else ""
        is_link = key.startswith(PREFIX)
        return key.removeprefix(PREFIX).removeprefix(ANYWHERE) if is_link else ""
