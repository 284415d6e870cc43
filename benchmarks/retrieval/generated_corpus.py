"""A corpus of any size with the shape of 2WikiMultiHopQA, made without a model.

Words and entities follow Zipf's law (Mandelbrot's form). Each passage has its own title and about
as many words, sentences, entities and mentions as a passage of 2WikiMultiHopQA. A vector is one of
4,096 topics plus noise, so that inverted lists have clusters to find. The corpus measures the
index, not the encoder.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from graphagg.progress import Progress, silent
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.models.spec import ModelSpec

DIMENSION = 384
_BLOCK = 10_000  # passages per random draw
_FLATTEN = 10  # Mandelbrot's q: the most frequent entity is in about one passage of ten
_WORDS = 300_000
_SENTENCES, _SENTENCE_WORDS, _SENTENCE_NAMES = 4, 17, 2
_ENTITIES = 10_000_000  # possible entities; how many occur depends on the size
_SINGLE = 0.55  # share of frequent entities that are one word, which also occurs as a plain word
_TOPICS, _NOISES, _NOISE = 4096, 16_384, 0.7
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvz", "aeiou"


class GeneratedCorpus:
    """Passages and their annotations, in the same order in each iteration.

    Args:
        passages: number of passages.
        seed: seed of all draws.
    """

    def __init__(self, passages: int, seed: int = 0) -> None:
        self.size, self._seed = passages, seed
        self._words = [word(i) for i in range(_WORDS)]

    def __iter__(self) -> Iterator[Passage]:
        return (passage for passage, _ in self._blocks())

    def annotations(self) -> Iterator[Annotation]:
        """Yield one annotation per passage, for its text without the title."""
        return (note for _, note in self._blocks())

    def _blocks(self) -> Iterator[tuple[Passage, Annotation]]:
        for start in range(0, self.size, _BLOCK):
            count = min(_BLOCK, self.size - start)
            rng = np.random.default_rng([self._seed, start])
            words = zipf(rng, _WORDS, (count, _SENTENCES * _SENTENCE_WORDS)).tolist()
            names = zipf(rng, _ENTITIES, (count, _SENTENCES * _SENTENCE_NAMES)).tolist()
            for i in range(count):
                yield self._passage(start + i, words[i], names[i])

    def _passage(
        self, number: int, words: list[int], names: list[int]
    ) -> tuple[Passage, Annotation]:
        """Make sentences of lower-case words with two names each, and a title that has a name."""
        title = f"{self._name(names[-1])} {word(number + _WORDS).capitalize()}"
        parts: list[str] = []
        sentences, mentions = [], []
        place = 0
        for s in range(_SENTENCES):
            begin = place
            first = s * _SENTENCE_WORDS
            for w in range(_SENTENCE_WORDS - 3):
                if w in (0, 7):
                    name = title if s == w == 0 else self._name(names[2 * s + (w == 7)])
                    mentions.append((place, place + len(name)))
                    parts.append(name)
                    place += len(name) + 1
                plain = self._words[words[first + w]]
                parts.append(plain)
                place += len(plain) + 1
            parts[-1] += "."
            place += 1
            sentences.append((begin, place - 1))
        passage = Passage(f"p{number}", " ".join(parts), title)
        return passage, Annotation(tuple(sentences), tuple(mentions))

    def _name(self, entity: int) -> str:
        if entity < _WORDS and entity * 2654435761 % 100 < 100 * _SINGLE:
            return self._words[entity].capitalize()
        return f"{self._words[entity * 7919 % 30_000].capitalize()} {word(entity).capitalize()}"


def zipf(rng: np.random.Generator, kinds: int, shape: tuple[int, int]) -> npt.NDArray[np.int64]:
    """Draw numbers below `kinds`; number r has a probability of about 1 / (r + q)."""
    ratio = (kinds + _FLATTEN) / (1 + _FLATTEN)
    drawn = (1 + _FLATTEN) * np.exp(rng.random(shape) * np.log(ratio)) - _FLATTEN - 1
    return np.minimum(drawn.astype(np.int64), kinds - 1)


def word(number: int) -> str:
    """Return a pronounceable word that is unique for each number."""
    letters = []
    number += 100
    while number:
        number, rest = divmod(number, len(_CONSONANTS) * len(_VOWELS))
        consonant, vowel = divmod(rest, len(_VOWELS))
        letters.append(_CONSONANTS[consonant] + _VOWELS[vowel])
    return "".join(letters)


class GeneratedAnnotations:
    """Extractor that returns the annotations of a corpus in order; a title is one mention."""

    spec = ModelSpec("generated", "0" * 64, {"language": "en", "dropped_labels": []})

    def __init__(self, corpus: GeneratedCorpus) -> None:
        self._corpus = corpus

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """Yield one annotation per text; titles and texts alternate."""
        notes = self._corpus.annotations()
        for number, text in enumerate(texts):
            yield next(notes) if number % 2 else Annotation(((0, len(text)),), ((0, len(text)),))


class GeneratedVectors:
    """Encoder whose vectors are a topic plus noise, both chosen by a hash of the text."""

    spec = ModelSpec("generated", "1" * 64, {"dimension": DIMENSION})
    dimension = DIMENSION

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self._topics = _unit(rng.normal(size=(_TOPICS, DIMENSION)))
        self._noises = _NOISE * _unit(rng.normal(size=(_NOISES, DIMENSION)))

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Return one window per text."""
        return [[text] for text in texts]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> npt.NDArray[np.float32]:
        """Return unit vectors `[n, d]`."""
        codes = np.array([zlib.crc32(text.encode()) for text in texts], np.int64)
        vectors = self._topics[codes % _TOPICS]
        vectors += self._noises[codes // _TOPICS % _NOISES]
        vectors /= np.sqrt(np.einsum("ij,ij->i", vectors, vectors))[:, None]
        progress("encode", len(texts), len(texts))
        return vectors

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Return the vectors of questions and of names."""
        return self.encode(questions), self.encode(names)


def _unit(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32)


def build(passages: int, directory: Path, progress: Progress = silent) -> PassageIndex:
    """Build the index of a generated corpus with `PassageIndex.build`."""
    corpus = GeneratedCorpus(passages)
    return PassageIndex.build(
        corpus,
        directory,
        chunking=None,
        encoder=GeneratedVectors(),
        extractor=GeneratedAnnotations(corpus),
        progress=progress,
    )
