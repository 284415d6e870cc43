"""Small stand-ins for the models: deterministic, quick, and rich enough to tell texts apart."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt

from graphagg.execution.arrays import FileArrays
from graphagg.execution.blocks import MemoryBlocks
from graphagg.execution.runner import InProcessRunner
from graphagg.progress import Progress, silent
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.indexing.arrays import SEGMENT_STAGE, BuildArrays
from graphagg.rag.indexing.block import block_of
from graphagg.rag.indexing.engine import TableStages
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.encoding.pooling import PassageVectors, Spans, unit
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.models.spec import ModelSpec
from graphagg.rag.question.results import Hit
from graphagg.rag.snapshot.search import DenseIndex
from graphagg.rag.tables.gazetteer import Gazetteer
from graphagg.rag.tables.lexicon import Lexicon
from graphagg.rag.tables.segments import PassageTable, Segment, StoredCorpus
from graphagg.rag.tables.view import View
from graphagg.store import ArtifactWriter
from graphagg.store.reading import ArrayFolder

CAPITALISED = r"[A-Z]\w*(?: [A-Z]\w*)*"


class FakeEncoder:
    """Words hashed into a vector; texts that share words are similar.

    Args:
        name: a model of another name is another model.
        dimension: of the vectors.
        window: words of a window; windows do not overlap.
        common: what all vectors share; more of it brings every two texts closer.
    """

    def __init__(
        self, name: str = "fake", dimension: int = 16, window: int = 10_000, common: float = 1e-3
    ) -> None:
        self.name, self.dimension, self.window, self.common = name, dimension, window, common

    @property
    def spec(self) -> ModelSpec:
        sha256 = hashlib.sha256(self.name.encode()).hexdigest()
        return ModelSpec(self.name, sha256, {"dimension": self.dimension})

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        words = [text.split() for text in texts]
        return [
            [" ".join(w[i : i + self.window]) for i in range(0, max(len(w), 1), self.window)]
            for w in words
        ]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> npt.NDArray[np.float32]:
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._vector(text)
        progress("encode", len(texts), len(texts))
        return vectors

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return self.encode(questions), self.encode(names)

    def _vector(self, text: str) -> npt.NDArray[np.float64]:
        total = np.full(self.dimension, self.common)
        for word in tokenize(text):
            total += word_vector(word, self.dimension)
        return total / np.linalg.norm(total)


class CountingEncoder(FakeEncoder):
    """Remembers which texts it embedded."""

    def __init__(self, name: str = "fake", dimension: int = 16, window: int = 10_000) -> None:
        super().__init__(name, dimension, window)
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> np.ndarray:
        self.encoded += texts
        return super().encode(texts, progress)


class PoolingEncoder(FakeEncoder):
    """Gives the vectors of sentences with those of passages: they lean towards their passage."""

    pools_sentences = True

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        found = []
        for text, spans in zip(texts, sentences, strict=True):
            (windows,) = self.split([text])
            whole = np.concatenate(
                [self.encode([text]), self.encode([text[a:b] for a, b in spans])]
            )
            found.append(PassageVectors(self.encode(windows), unit(whole[:1] + whole[1:])))
            progress("encode", len(found), len(texts))
        return found


@cache
def word_vector(word: str, dimension: int) -> npt.NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:8], "big")
    return np.random.default_rng(seed).normal(size=dimension)


class FakeExtractor:
    """Capitalized runs and some given names are entities; a full stop ends a sentence.

    Args:
        language: brings stop words and stems into play; "" has neither.
        names: found wherever they stand, for scripts without capitals.
    """

    def __init__(self, language: str = "", names: Sequence[str] = ()) -> None:
        settings = {"language": language} if language else {}
        self.spec = ModelSpec("capitals", "0" * 64, settings)
        longest_first = sorted(names, key=lambda name: (-len(name), name))
        self._entity = re.compile("|".join([CAPITALISED, *map(re.escape, longest_first)]))

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        for text in texts:
            ends = [m.end() for m in re.finditer(r"\.(?=\s|$)|。", text)]
            bounds = sorted({0, *ends, len(text)})
            sentences = tuple(pairwise(bounds))
            mentions = tuple(
                (a + m.start(), a + m.end())
                for a, b in sentences
                for m in self._entity.finditer(text[a:b])
            )
            yield Annotation(sentences, mentions)


@dataclass(frozen=True)
class InMemory:
    """The parts of an index that was never written, of one segment."""

    corpus: StoredCorpus
    gazetteer: Gazetteer
    lexicon: Lexicon
    dense: DenseIndex
    analyzers: Analyzers

    @classmethod
    def of(
        cls,
        passages: Sequence[Passage],
        encoder: FakeEncoder | None = None,
        extractor: FakeExtractor | None = None,
    ) -> InMemory:
        encoder, extractor = encoder or FakeEncoder(), extractor or FakeExtractor()
        models = Models(encoder, extractor)
        with TemporaryDirectory() as folder:
            files = FileArrays(Path(folder))
            PassageTable.of(passages).save(ArtifactWriter(files.folder), "s0.passages")
            arrays = BuildArrays(MemoryBlocks(), files, files)
            stages = TableStages([0, len(passages)], arrays, InProcessRunner(), 4_000_000)
            block = arrays.stage(SEGMENT_STAGE).save(0, block_of(passages, models, silent))
            stages.run([{"block": 0} | block])
            opened = ArrayFolder(files.folder)
            corpus = StoredCorpus([Segment.open(opened, 0)])
            gazetteer, lexicon = Gazetteer.open(opened), Lexicon.open(opened)
        by_id = sorted(range(len(passages)), key=lambda row: passages[row].id.encode())
        ranks = np.argsort(by_id).astype(np.int32)
        return cls(
            corpus, gazetteer, lexicon, DenseIndex(corpus, ranks), Analyzers(models.language)
        )

    def view(self, visible: npt.NDArray[np.bool_] | None = None) -> View:
        everything = np.ones(len(self.corpus), bool)
        return View.of(self.gazetteer, self.lexicon, everything if visible is None else visible)


def assert_same_hits(found: Sequence[Hit], expected: Sequence[Hit], tolerance: float) -> None:
    """The same passages in the same order, by the same method, on the same paths and scores."""
    assert [hit.passage for hit in found] == [hit.passage for hit in expected]
    assert [hit.copies for hit in found] == [hit.copies for hit in expected]
    for hit, other in zip(found, expected, strict=True):
        assert hit.method == other.method and hit.neighbors == other.neighbors
        assert hit.components.keys() == other.components.keys()
        assert [(h.kind, h.text) for h in hit.path] == [(h.kind, h.text) for h in other.path]
        np.testing.assert_allclose(_numbers(hit), _numbers(other), rtol=0, atol=tolerance)


def _numbers(hit: Hit) -> list[float]:
    steps = [number for hop in hit.path for number in (hop.score, hop.contribution)]
    return [hit.score, *(hit.components[name] for name in sorted(hit.components)), *steps]


CORPUS = [
    Passage("p1", "Ada wrote notes on the Engine. Babbage read them in London.", "Ada"),
    Passage("p2", "The Engine was designed by Babbage. It was never finished.", "Engine"),
    Passage("p3", "London lies on the Thames. Ada lived there.", "London", {"kind": "city"}),
    Passage("p4", "the river flows to the sea, and nobody is named here."),
    Passage("p5", "Thames is a river of London. Ada's house was near it.", "Thames"),
]
