"""2WikiMultiHopQA many times over, each time with other names, as vectors of the original.

A copy's names end in a mark of the copy, so that it has its own titles and entities. Its vectors
are those of the original text, turned a little at random: the passage index is measured, not the
encoder.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from graphagg.progress import Progress, silent
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.models.extractor import Annotation
from graphagg.rag.models.spec import ModelSpec

_MARK = re.compile(r"(?<=\w)zq([a-z]{2})\b")
_NOISE = 0.3  # length of the random part beside a unit vector


def mark_of(copy: int) -> str:
    """What the names of a copy end in; nothing for the original."""
    return f"zq{chr(97 + copy // 26)}{chr(97 + copy % 26)}" if copy else ""


class Copies:
    """Passages of an index many times over, with their annotations and vectors.

    Args:
        index: of the original passages.
        copies: how many, the original among them.
    """

    def __init__(self, index: PassageIndex, copies: int) -> None:
        self.index, self.copies = index, copies
        self._corpus = index.snapshot.corpus
        self._passages = list(index)
        segment = self._corpus.segments[0]
        self._notes = [
            Annotation(
                tuple(map(tuple, segment.sentences.row(row).tolist())),
                tuple(map(tuple, segment.entities.row(row).tolist())),
            )
            for row in range(len(self._passages))
        ]

    def passages(self) -> Iterator[Passage]:
        for copy in range(self.copies):
            for passage, note in zip(self._passages, self._notes, strict=True):
                yield self._marked(passage, note, copy)[0] if copy else passage

    def extractor(self) -> CopiedAnnotations:
        def annotations() -> Iterator[Annotation]:
            for copy in range(self.copies):
                for passage, note in zip(self._passages, self._notes, strict=True):
                    yield self._marked(passage, note, copy)[1]

        return CopiedAnnotations(annotations())

    def encoder(self) -> CopiedVectors:
        return CopiedVectors(self.index)

    def _marked(self, passage: Passage, note: Annotation, copy: int) -> tuple[Passage, Annotation]:
        """A passage with the mark behind each name, and its annotation."""
        text, mark = passage.full_text, mark_of(copy)
        ends = sorted({end for _, end in note.mentions if text[end - 1 : end].isalnum()})
        ends = sorted({*ends, *([len(passage.title)] if passage.title else [])})

        def moved(place: int, after: bool) -> int:
            count = sum(end <= place if after else end < place for end in ends)
            return place + len(mark) * count

        pieces, last = [], 0
        for end in ends:
            pieces.append(text[last:end])
            last = end
        whole = mark.join([*pieces, text[last:]])
        title_end = moved(len(passage.title), True) if passage.title else 0
        marked = replace(
            passage,
            id=f"{passage.id}{mark}",
            title=whole[:title_end],
            text=whole[title_end + 1 :] if passage.title else whole,
        )
        spans = [
            tuple((moved(a, False), moved(b, True)) for a, b in part)
            for part in (note.sentences, note.mentions)
        ]
        return marked, Annotation(spans[0], spans[1])


class CopiedAnnotations:
    """Gives the annotations of the copies, in order; titles have none of their own."""

    spec = ModelSpec("copies", "0" * 64, {"language": "en", "dropped_labels": []})

    def __init__(self, annotations: Iterator[Annotation]) -> None:
        self._annotations = annotations

    def annotate(self, texts: Sequence[str]) -> Iterator[Annotation]:
        """One annotation a text: titles and texts alternate, a full text's lies with its text."""
        is_title = True
        shift = 0
        for text in texts:
            if is_title:
                shift = len(text) + 1
                yield Annotation(((0, len(text)),), ())
            else:
                note = next(self._annotations)
                yield Annotation(_shifted(note.sentences, shift), _shifted(note.mentions, shift))
            is_title = not is_title


def _shifted(spans: Iterable[tuple[int, int]], by: int) -> tuple[tuple[int, int], ...]:
    return tuple((max(a - by, 0), b - by) for a, b in spans if b > by)


class CopiedVectors:
    """Vectors of the original texts with a random part that depends on the copy."""

    def __init__(self, index: PassageIndex) -> None:
        snapshot = index.snapshot
        corpus = snapshot.corpus
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}
        for row, passage in enumerate(index):
            first = corpus.window_bounds[row : row + 1]
            self._vectors[passage.full_text] = corpus.windows.take(first)[0]
            for number, place in enumerate(range(*corpus.sentence_bounds[row : row + 2].tolist())):
                vector = corpus.sentence_vectors.take(np.array([place]))[0]
                self._vectors[corpus.sentence(row, number)] = vector
        self.dimension = corpus.windows.dimension
        self.spec = ModelSpec("copies", "1" * 64, {"dimension": self.dimension})

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        return [[text] for text in texts]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng(len(texts))
        found = rng.normal(size=(len(texts), self.dimension)).astype(np.float32)
        found *= _NOISE / self.dimension**0.5
        for i, text in enumerate(texts):
            original = self._vectors.get(_MARK.sub("", text))
            if original is not None:
                found[i] += original
        found /= np.linalg.norm(found, axis=1, keepdims=True)
        progress("encode", len(texts), len(texts))
        return found

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        return self.encode(questions), self.encode(names)
