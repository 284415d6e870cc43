"""`python -m benchmarks.retrieval.parts`: recall when a corpus lies in parts that answer alone.

Each set is cut into random parts, and into parts by topic (k-means of its vectors). All parts are
views of one index: a view has the statistics of its passages alone, as an index of them would. Each
part answers with its five best hits, which are merged by score. The columns add one thing each:

- **own**: each part by its own statistics.
- **words**: number of passages, their mean length, and document frequencies of words are of all.
- **names**: and so are the names: their document frequencies, titles, and which words are names.
- **choice**: and the passages are chosen from the candidates of all parts, not in each part.
- **paths**: paths cross parts, statistics are sums over the parts, and each part finds the names
  that its own passages define.
- **joined**: and names are found in all passages that any part defines: one index of all passages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.report import parser_of, print_table
from benchmarks.retrieval.corpora import names_here, open_index, questions
from graphagg.rag.config.profile import PROFILES
from graphagg.rag.modes.multihop.mode import Multihop
from graphagg.rag.modes.multihop.search import Choice, MultihopRanking, MultihopSearch
from graphagg.rag.modes.source import EncodedQuestion
from graphagg.rag.operations.answering import encode
from graphagg.rag.question.request import Request
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.vectors import RowSet
from graphagg.rag.tables.view import IS_TITLE, View

Array = npt.NDArray[Any]
K = 5
PARTS = (2, 4, 8)
WAYS = ("own", "words", "names", "choice", "paths", "joined")
SEED = 0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--sets", nargs="*", help="some of the sets")
    parser.add_argument("--profile", default="fast", choices=PROFILES)
    parser.add_argument("--folder", type=Path, default=Path("build/choose"))
    parser.add_argument("--questions", type=int, default=200, help="of a set, at most")
    chosen = parser.parse_args(arguments)
    rows = list[list[object]]()
    for name in chosen.sets or names_here():
        asked = questions(name, "test", chosen.questions)
        with open_index(name, chosen.folder, chosen.profile) as index:
            snapshot = index.snapshot
            cuts = {f"{n} random": random_parts(len(index), n) for n in PARTS}
            cuts[f"{PARTS[-1]} by topic"] = topics(snapshot, PARTS[-1])
            for cut, part in cuts.items():
                parts = [Part(snapshot, part == i) for i in range(part.max() + 1)]
                paths = summed([each.own for each in parts])
                found = dict[str, list[Array]]()
                for question in asked:
                    for way, ids in answers(snapshot, parts, paths, question.text).items():
                        hit = [identifier in question.gold for identifier in ids]
                        shares = [sum(hit[:k]) / len(question.gold) for k in (2, K)]
                        found.setdefault(way, []).append(np.array(shares))
                means = (100 * np.mean(found[way], axis=0) for way in WAYS)
                rows.append([name, len(asked), cut, *(f"{a:.1f} / {b:.1f}" for a, b in means)])
                print(*rows[-1], sep=" | ", flush=True)
    print_table(["set", "questions", "parts", *WAYS], rows)


def random_parts(count: int, parts: int) -> Array:
    """A part for each of `count` passages, `[count]`; sizes differ by one at most."""
    return np.random.default_rng(SEED).permutation(count) % parts


def topics(snapshot: PassageSnapshot, parts: int) -> Array:
    """A part for each passage by ten rounds of k-means over the passages' vectors."""
    corpus = snapshot.corpus
    vectors = np.asarray(corpus.windows.take(corpus.window_bounds[: len(corpus)]), np.float64)
    centers = vectors[np.random.default_rng(SEED).choice(len(vectors), parts, replace=False)]
    for _ in range(10):
        part: Array = (vectors @ centers.T).argmax(axis=1)
        centers = np.array([vectors[part == i].sum(axis=0) for i in range(parts)])
        centers /= np.maximum(np.linalg.norm(centers, axis=1, keepdims=True), 1e-9)
    return part


@dataclass(frozen=True)
class PartView(View):
    """A view of one part with the statistics of words, and maybe of names, of `whole`."""

    whole: View
    has_names: bool

    @classmethod
    def between(cls, own: View, whole: View, has_names: bool) -> PartView:
        """Statistics of words from `whole`, ties of names from it or from `own`."""
        values = {field.name: getattr(own, field.name) for field in fields(View)}
        if has_names:
            tie = np.where(own.visible[whole.gazetteer.row], whole.tie, 0).astype(np.uint8)
            values |= {name: getattr(whole, name) for name in ("entity", "title", "mentions", "df")}
            values |= {"tie": tie, "titled": np.flatnonzero(tie & IS_TITLE)}
        values |= {"passages": whole.passages, "tokens": whole.tokens}
        return cls(**values, whole=whole, has_names=has_names)

    @property
    def row_set(self) -> RowSet:
        return self.own.row_set

    @property
    def frequency(self) -> Callable[[int, int], int]:
        return self.whole.frequency

    @property
    def own(self) -> View:
        """The view with the number of its own passages."""
        if "_own" not in vars(self):
            values = {field.name: getattr(self, field.name) for field in fields(View)}
            values["passages"] = int(np.count_nonzero(self.visible))
            vars(self)["_own"] = View(**values)
        view: View = vars(self)["_own"]
        return view

    def idf(self, entities: Array) -> npt.NDArray[np.float64]:
        return self.whole.idf(entities) if self.has_names else self.own.idf(entities)


class Part:
    """One part of a corpus: its view by its own statistics, and by those of all."""

    def __init__(self, snapshot: PassageSnapshot, visible: Array) -> None:
        whole, own = snapshot.view(None), snapshot.view(visible)
        self.own = own
        views = {
            "own": own,
            "words": PartView.between(own, whole, has_names=False),
            "names": PartView.between(own, whole, has_names=True),
        }
        config = snapshot.multihop_config(own)
        self.retrievers = {way: Multihop(snapshot, v, config) for way, v in views.items()}


def summed(parts: Sequence[View]) -> View:
    """A view of all passages with the ties that each part finds, and the sums of their counts."""
    values: dict[str, Any] = {field.name: getattr(parts[0], field.name) for field in fields(View)}
    for name in ("visible", "entity", "title", "mentions", "tie"):  # each row is of one part
        values[name] = np.bitwise_or.reduce([getattr(part, name) for part in parts])
    for name in ("df", "passages", "tokens"):
        values[name] = sum(getattr(part, name) for part in parts)
    values["titled"] = np.sort(np.concatenate([part.titled for part in parts]))
    return View(**values)


def answers(
    snapshot: PassageSnapshot, parts: Sequence[Part], paths: View, question: str
) -> dict[str, list[str]]:
    """The ids of the best hits of a question, by the way in which the parts answer."""
    found, whole = dict[str, list[str]](), snapshot.view(None)
    for way, view in (("paths", paths), ("joined", whole)):
        joined = Multihop(snapshot, view, snapshot.multihop_config(whole))
        ((encoded,),) = encode(joined, [question], Request())
        found[way] = [hit.passage.id for hit in joined.rank(encoded, K).take(K)]
    for way in ("own", "words", "names"):
        merged, rankings = list[tuple[float, str]](), list[MultihopRanking]()
        for part in parts:
            ranking = _ranking(part.retrievers[way], encoded)
            rankings.append(ranking)
            merged += _scored(snapshot, ranking.candidates.rows, ranking.choice)
        found[way] = [identifier for _, identifier in sorted(merged, key=lambda h: (-h[0], h[1]))]
        if way == "names":
            rows, choice = _united(snapshot, rankings)
            found["choice"] = [identifier for _, identifier in _scored(snapshot, rows, choice)]
    return {way: ids[:K] for way, ids in found.items()}


def _ranking(retriever: Multihop, encoded: EncodedQuestion) -> MultihopRanking:
    """The ranking of a part, which reads the question by its own names and words."""
    (reading,) = retriever.read([encoded.text], retriever.snapshot.models)
    search = MultihopSearch(
        retriever.snapshot.corpus, retriever.view, retriever.snapshot.dense, retriever.config
    )
    words = encoded.words if reading.terms == encoded.terms else None
    return search.rank(retriever._scores(replace(encoded, reading=reading, words=words)), K)


def _scored(snapshot: PassageSnapshot, rows: Array, choice: Choice) -> Iterator[tuple[float, str]]:
    for at, gain in choice.take(K):
        yield float(choice.score[at]) + sum(gain), snapshot.corpus.id(int(rows[at]))


def _united(snapshot: PassageSnapshot, rankings: Sequence[MultihopRanking]) -> tuple[Array, Choice]:
    """The candidates of all parts, in the order of their ids, and one choice among them."""
    rows = np.concatenate([ranking.candidates.rows for ranking in rankings])
    order = np.argsort(snapshot.ranks[rows])
    names = [field.name for field in fields(Choice)]
    columns = {
        name: np.concatenate([getattr(ranking.choice, name) for ranking in rankings])[order]
        for name in names
    }
    return rows[order], Choice(**columns)


if __name__ == "__main__":
    main()
