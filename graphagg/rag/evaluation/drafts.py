"""Drafts of questions with gold passages, from names of a corpus, without a language model.

A draft is about a name that only one passage contains, or about the connection of two such names
whose passages share a third, rare name. So the index determines its gold passages. It cannot tell
if a person would ask the question, or if other passages answer it too: check every draft yourself.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations, zip_longest
from typing import TYPE_CHECKING

import numpy as np

from graphagg.checks import integer
from graphagg.errors import EmptyCorpus
from graphagg.rag.config.corpus import GraphConfig
from graphagg.rag.corpus.graph import entities_in_graph, passage_ties
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.question.request import Selection
from graphagg.rag.tables.gazetteer import Speller

if TYPE_CHECKING:
    from graphagg.rag.index import PassageIndex

DRAFT_ONE, DRAFT_TWO = "draft, one passage", "draft, two passages"
"""Types of drafts."""
_SHARED = 3  # maximum number of passages that contain a connecting name


def draft_questions(
    index: PassageIndex, count: int = 50, random_state: int = 0
) -> list[GoldQuestion]:
    """Draft questions about one passage and about two passages, half of each if possible.

    The same passages give the same drafts, whatever their order. The questions are in English.

    Args:
        index: the passages.
        count: maximum number of drafts.
        random_state: seed of the choice.

    Raises:
        EmptyCorpus: no name occurs in one passage only.

    Examples:
        >>> import tempfile
        >>> from graphagg.rag import PassageIndex
        >>> texts = {"a": "Ada Lovelace met Byron.", "b": "Annabella Milbanke married Byron."}
        >>> passages = [{"id": name, "text": text} for name, text in texts.items()]
        >>> with PassageIndex.build(passages, tempfile.mkdtemp(), profile="fast") as index:
        ...     [draft.text for draft in draft_questions(index, count=1)]
        ['How is Ada Lovelace connected with Annabella Milbanke?']
    """
    integer("count", count, 1)
    snapshot, rng = index.snapshot, np.random.default_rng(integer("random_state", random_state, 0))
    view = snapshot.view_of(Selection())
    entities = np.flatnonzero(entities_in_graph(view, GraphConfig()))
    ties, _ = passage_ties(view, entities)
    speller, df = Speller(snapshot.corpus, view.gazetteer), view.df[entities]
    own, shared = dict[int, str](), dict[int, list[int]]()
    for entity, row in zip(ties.source.tolist(), ties.target.tolist(), strict=True):
        if df[entity] == 1:
            own.setdefault(row, speller.spelling(int(entities[entity]), row))
        elif df[entity] <= _SHARED:
            shared.setdefault(entity, []).append(row)
    if not own:
        raise EmptyCorpus("no name occurs in one passage only; write the questions yourself")

    def ids(rows: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(sorted(snapshot.corpus.id(row) for row in rows if row in own))

    names = {snapshot.corpus.id(row): name for row, name in own.items()}
    pairs = {ids(pair) for rows in shared.values() for pair in combinations(rows, 2)}
    twos = sorted(pair for pair in pairs if len(pair) == 2)
    ones = [(identifier,) for identifier in sorted(names)]

    def drawn(golds: Sequence[tuple[str, ...]]) -> Iterator[tuple[str, ...]]:
        return (golds[i] for i in rng.permutation(len(golds)).tolist())

    mixed = chain.from_iterable(zip_longest(drawn(twos), drawn(ones)))
    golds = [gold for gold in mixed if gold is not None][:count]
    return [_draft(i, gold, [names[each] for each in gold]) for i, gold in enumerate(golds, 1)]


def _draft(number: int, gold: tuple[str, ...], names: list[str]) -> GoldQuestion:
    if len(gold) == 1:
        text, kind = f"What is said about {names[0]}?", DRAFT_ONE
    else:
        text, kind = f"How is {names[0]} connected with {names[1]}?", DRAFT_TWO
    return GoldQuestion(f"draft-{number}", text, frozenset(gold), kind)
