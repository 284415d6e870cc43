"""Learning on the Tri-Graph: GPS and LCM as rankers of the candidates of `multihop`, set by set.

    python -m benchmarks.trigraph_ranker FOLDER [--train N] [--test N] [--epochs N]

FOLDER holds the indices of `benchmarks.choose` (built where they are missing). A question is a
graph: the first `POOL` passages of `multihop`, and the entities that two of them or the question
name, tied as the graph of the corpus ties them. A passage has its scores by `multihop`, `dense` and
`bm25`, an entity whether the question names it and how many candidates name it. A model adds what
it learns to the score of `multihop`, zero at first, and is trained with the softmax over a
question's candidates.

Leave one set out: a model is trained on every n-th question of the first halves of all other sets,
and ranks every n-th question of the second half of the one that is left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch_geometric.data import Batch, Data
from torch_geometric.nn import SAGEConv
from torch_geometric.utils import softmax

from benchmarks.choose.corpora import SHARED, open_index, questions
from graphagg.arrays import Ints
from graphagg.nn import GPSLayer, LCMAggregation
from graphagg.rag import PassageIndex
from graphagg.rag.config.broad import BroadConfig
from graphagg.rag.evaluation.measure import Half
from graphagg.rag.evaluation.questions import GoldQuestion
from graphagg.rag.modes.broad.choice import scaled
from graphagg.rag.modes.broad.mode import Broad
from graphagg.rag.modes.protocol import EncodedReading
from graphagg.rag.question.selection import Selection

SETS = ("2wiki", *SHARED, "tickets")
POOL, WIDTH, FEATURES, BATCH = 50, 32, 9, 16
AT = (2, 5)
KINDS = ("GPS", "LCM")


@dataclass(frozen=True)
class Asked:
    """A question as a graph, whose first vertices are its candidates, best first.

    Attributes:
        graph: with x `[n, FEATURES]`, edge_index, score, gold and mask `[n]`.
        gold: how many passages should be found.
    """

    graph: Data
    gold: int


class Reader:
    """Makes graphs of the questions about one index."""

    def __init__(self, index: PassageIndex) -> None:
        self._index, snapshot = index, index.snapshot
        self._scope = snapshot.scope(Selection())
        self._broad = Broad(snapshot, self._scope, BroadConfig())
        graph, entities = index.graph(), snapshot.view(None).gazetteer.keys
        shape = (len(graph.passages), len(graph.entities))
        pairs = graph.contains.target, graph.contains.source
        self._contains = sparse.csr_matrix((graph.contains.weight, pairs), shape)
        self._place = {key: place for place, key in enumerate(graph.entities)}
        self._keys = entities

    def graphs(self, asked: Sequence[GoldQuestion]) -> list[Asked]:
        """A graph a question."""
        broad, models = self._broad, self._index.models
        read = broad.encode(broad.read([q.text for q in asked], models), models)
        return [self._graph(q, found) for q, found in zip(asked, read, strict=True)]

    def _graph(self, question: GoldQuestion, encoded: EncodedReading) -> Asked:
        rankings = self._broad.rankings(encoded, POOL)
        rows, corpus = rankings.best[:POOL], self._index.snapshot.corpus
        place = np.searchsorted(self._scope.view.rows, rows)
        contains = self._contains[place]
        named = [self._place.get(self._keys[entity], -1) for entity in encoded.reading.entities]
        is_named = np.zeros(contains.shape[1], bool)
        is_named[[entity for entity in named if entity >= 0]] = True
        held = np.bincount(contains.indices, minlength=contains.shape[1])
        kept = np.flatnonzero((held > 1) | (is_named & (held > 0)))
        ties = contains[:, kept].tocoo()
        x = np.zeros((len(rows) + len(kept), FEATURES), np.float32)
        score = scaled(rankings.scores[:POOL])
        x[: len(rows), 0], x[: len(rows), 1] = score, 1 / (1 + np.arange(len(rows)))
        x[: len(rows), 2] = reciprocal(rows, rankings.dense)
        x[: len(rows), 3] = reciprocal(rows, rankings.bm25)
        x[: len(rows), 4], x[len(rows) :, 5] = 1, 1
        x[len(rows) :, 6] = is_named[kept]
        x[len(rows) :, 7] = np.log1p(held[kept]) / np.log1p(POOL)
        x[: len(rows), 8] = np.asarray(contains[:, is_named].getnnz(axis=1) > 0)
        entity = ties.col + len(rows)
        edges = np.stack([np.r_[ties.row, entity], np.r_[entity, ties.row]])
        padded = np.zeros((3, len(x)), np.float32)
        padded[0, : len(rows)], padded[1, : len(rows)] = score, 1
        padded[2, : len(rows)] = [corpus.id(row) in question.gold for row in rows.tolist()]
        base, mask, gold = (torch.from_numpy(each) for each in padded)
        graph = Data(
            x=torch.from_numpy(x),
            edge_index=torch.from_numpy(edges.astype(np.int64)),
            base=base,
            mask=mask > 0,
            gold=gold,
        )
        return Asked(graph, len(question.gold))


def reciprocal(rows: Ints, ranking: Ints) -> list[float]:
    """1 / rank of each row in a ranking; 0 where it is not there."""
    ranks = {row: rank for rank, row in enumerate(ranking.tolist(), start=1)}
    return [1 / ranks[row] if row in ranks else 0.0 for row in rows.tolist()]


class Ranker(nn.Module):
    """The score of `multihop`, and what two layers over the graph add to it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(FEATURES, WIDTH), nn.Linear(WIDTH, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.sharp = nn.Parameter(torch.tensor(5.0))
        self.layers = nn.ModuleList(layer_of(kind) for _ in range(2))
        self.is_gps = kind == "GPS"

    def forward(self, batch: Any) -> Tensor:
        """`[n]` a score of every vertex."""
        x = self.enter(batch.x)
        for layer in self.layers:
            if self.is_gps:
                x, _ = layer(x, batch.edge_index, batch=batch.batch, ptr=batch.ptr)
            else:
                x = x + torch.relu(layer(x, batch.edge_index))
        added: Tensor = self.leave(x).squeeze(-1)
        scores: Tensor = self.sharp * batch.base + added
        return scores


def layer_of(kind: str) -> nn.Module:
    """One layer: GPS over mean messages and attention, or messages that LCM folds."""
    if kind == "GPS":
        return GPSLayer(WIDTH, SAGEConv(WIDTH, WIDTH), "exact")
    layer: nn.Module = SAGEConv(WIDTH, WIDTH, aggr=LCMAggregation(WIDTH, WIDTH, random_order=True))
    return layer


def train(kind: str, asked: Sequence[Asked], epochs: int) -> Ranker:
    """A model trained on the questions of which a candidate is gold."""
    torch.manual_seed(0)
    model, rng = Ranker(kind), np.random.default_rng(0)
    usable = [each.graph for each in asked if each.graph.gold.any()]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    for _ in range(epochs):
        for some in np.array_split(rng.permutation(len(usable)), -(-len(usable) // BATCH)):
            batch = Batch.from_data_list([usable[i] for i in some])
            scores = model(batch)[batch.mask]
            shares = softmax(scores, batch.batch[batch.mask])
            loss = -(batch.gold[batch.mask] * torch.log(shares + 1e-9)).sum() / len(some)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model.eval()


@torch.no_grad()
def recall(model: Ranker | None, asked: Sequence[Asked]) -> list[float]:
    """Mean recall in percent at each of `AT`; None: of `multihop`."""
    found = []
    for each in asked:
        graph = Batch.from_data_list([each.graph])
        scores = (graph.base if model is None else model(graph))[graph.mask]
        order = torch.argsort(-scores, stable=True)
        hit = graph.gold[graph.mask][order]
        found.append([float(hit[:k].sum()) / each.gold for k in AT])
    means: list[float] = (100 * np.mean(found, axis=0)).tolist()
    return means


def read(folder: Path, names: Sequence[str], sizes: dict[Half, int]) -> Iterator[dict[Half, Any]]:
    """The graphs of both halves of each set."""
    for name in names:
        with open_index(name, folder) as index:
            reader = Reader(index)
            yield {half: reader.graphs(questions(name, half, n)) for half, n in sizes.items()}


def main() -> None:
    """Run what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=40, help="questions of a set")
    parser.add_argument("--test", type=int, default=60, help="questions of a set")
    parser.add_argument("--epochs", type=int, default=10)
    given = parser.parse_args()
    clock = time.process_time()
    sizes: dict[Half, int] = {"tune": given.train, "test": given.test}
    sets = dict(zip(SETS, read(given.folder, SETS, sizes), strict=True))
    print(f"read: {time.process_time() - clock:.0f} CPU s", flush=True)
    print("| left out | questions | best | GPS | LCM |\n" + "| --- " * 5 + "|")
    sums: dict[str, list[list[float]]] = {"multihop": [], "GPS": [], "LCM": []}
    for name, halves in sets.items():
        others = [each for other in SETS if other != name for each in sets[other]["tune"]]
        models = {
            "multihop": None,
            **{kind: train(kind, others, given.epochs) for kind in ("GPS", "LCM")},
        }
        for kind, model in models.items():
            sums[kind].append(recall(model, halves["test"]))
        cells = [f"{two:.1f} / {five:.1f}" for two, five in (rows[-1] for rows in sums.values())]
        print(f"| {name} | {len(halves['test'])} | {' | '.join(cells)} |", flush=True)
    means = [np.mean(rows, axis=0) for rows in sums.values()]
    print(f"| mean | | {' | '.join(f'{two:.1f} / {five:.1f}' for two, five in means)} |")
    print(f"all: {time.process_time() - clock:.0f} CPU s")


if __name__ == "__main__":
    main()
