"""`python -m benchmarks.pooling`: sentence vectors out of their passage beside encoded ones.

Of each set a sample: questions of the second half, the passages that answer them, and others drawn
at random. Both ways have the same entities and vectors of passages; so what differs is what the
vectors of sentences do in `multihop` and `linearrag`. Constants are those of the package: none is
chosen.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.choose.corpora import NAMES, names_here, passages_of, questions
from graphagg.progress import Progress, silent
from graphagg.rag import Passage, PassageIndex, SentenceTransformerEncoder, SpacyExtractor
from graphagg.rag.config.modes import Mode
from graphagg.rag.evaluation.measure import GoldQuestion, evaluate
from graphagg.rag.models.encoding.pooling import PassageVectors, Spans, Vectors
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.models.spec import ModelSpec

SEED = 0
WAYS = {"pooled": True, "encoded": False}  # the first brings the vectors of windows
MODES: tuple[Mode, ...] = ("multihop", "linearrag")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pooling", description=__doc__)
    parser.add_argument("--sets", nargs="*", help=f"some of {', '.join(NAMES)}; default: all")
    parser.add_argument("--passages", type=int, default=800, help="of a set, at most")
    parser.add_argument("--questions", type=int, default=200, help="of a second half, at most")
    parser.add_argument("--modes", nargs="*", default=MODES, help="default: multihop linearrag")
    given = parser.parse_args(arguments)
    encoder, extractor = SentenceTransformerEncoder(), SpacyExtractor()
    head = ("set", "passages, questions", "mode", "pooled: recall@2 / @5", "encoded", "CPU s")
    print("| " + " | ".join(head) + " |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in given.sets or names_here():
        corpus, asked = sample(name, given.passages, given.questions)
        made = Both(encoder, extractor, corpus)
        results = {
            way: recalls(made, corpus, asked, pools, given.modes) for way, pools in WAYS.items()
        }
        for mode in given.modes:
            cells = [" / ".join(f"{r:.1f}" for r in results[way][mode]) for way in WAYS]
            print(
                f"| {name} | {len(corpus)}, {len(asked)} | {mode} | {' | '.join(cells)} "
                f"| 0 and {made.seconds:.1f} |",
                flush=True,
            )


def sample(name: str, most: int, most_questions: int) -> tuple[list[Passage], list[GoldQuestion]]:
    """Questions of the second half, their gold passages, and others, in the order of the corpus."""
    corpus, asked = list(passages_of(name)), questions(name, "test", most_questions)
    if len(corpus) <= most:
        return corpus, asked
    rng, gold = np.random.default_rng(SEED), set[str]()
    kept = []
    for question in asked:  # until half of the room is taken
        if len(gold | set(question.gold)) > most // 2:
            break
        gold |= set(question.gold)
        kept.append(question)
    drawn = rng.permutation(len(corpus))[: most - len(gold)].tolist()
    among = gold | {corpus[i].id for i in drawn}
    return [p for p in corpus if p.id in among], kept


class Both:
    """Models that compute entities and vectors once, for both ways.

    Attributes:
        spec, dimension: of the encoder.
        pools_sentences: which way.
        seconds: CPU seconds that encoding sentences as texts took.
    """

    def __init__(
        self,
        encoder: SentenceTransformerEncoder,
        extractor: SpacyExtractor,
        corpus: Sequence[Passage],
    ) -> None:
        self._encoder, self._extractor = encoder, extractor
        parts = [part for passage in corpus for part in passage.parts]
        self._notes = dict(zip(parts, extractor.annotate(parts), strict=True))
        self._windows: dict[str, Vectors] = {}
        self.spec: ModelSpec = encoder.spec
        self.dimension = encoder.dimension
        self.pools_sentences = True
        self.seconds = 0.0

    @property
    def extractor(self) -> SpacyExtractor:
        return self._extractor

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        known = self._notes
        return (known[t] if t in known else next(self._extractor.annotate([t])) for t in texts)

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        return self._encoder.split(texts)

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        if texts and all(text in self._windows for text in texts):
            return np.stack([self._windows[text] for text in texts])
        start = time.process_time()
        found = self._encoder.encode(texts, progress)
        self.seconds += time.process_time() - start
        return found

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        found = self._encoder.encode_passages(texts, sentences, progress)
        for windows, vectors in zip(self.split(texts), found, strict=True):
            self._windows.update(zip(windows, vectors.windows, strict=True))
        return found

    def encode_query(self, asked: Sequence[str], names: Sequence[str]) -> tuple[Vectors, Vectors]:
        return self._encoder.encode_query(asked, names)


class Notes:
    """The extractor of `Both`."""

    def __init__(self, both: Both) -> None:
        self.annotate, self.spec = both.annotate, both.extractor.spec


def recalls(
    made: Both,
    corpus: Sequence[Passage],
    asked: Sequence[GoldQuestion],
    pools: bool,
    modes: Sequence[Mode],
) -> dict[Mode, tuple[float, float]]:
    """Recall@2 and @5 of each mode on an index built one way; pooled comes first."""
    made.pools_sentences = pools
    with tempfile.TemporaryDirectory() as folder:
        with PassageIndex.build(
            corpus, Path(folder) / "idx", chunking=None, encoder=made, extractor=Notes(made)
        ) as index:
            seconds = made.seconds
            found = {mode: evaluate(index, asked, mode=mode).quality for mode in modes}
            made.seconds = seconds  # not that of names
    return {mode: (q["recall@2"], q["recall@5"]) for mode, q in found.items()}


if __name__ == "__main__":
    main()
