"""Texts as windows of tokens, each no longer than a model reads at once.

A text that fits is one window. A longer one is cut at word boundaries into windows that share some
tokens, so that nothing is lost and what stands at a cut is read with its surroundings once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

_OVERLAP = 32  # tokens that neighboring windows share
_SLACK = 4  # tokens that a window may gain when it is cut inside a word
_BLOCK = 1024  # texts that go through the tokenizer at once

Span = tuple[int, int]


class Window(NamedTuple):
    """A window of a text, as a model reads it; n tokens.

    Attributes:
        text: number of the text that it belongs to.
        start, end: where it lies in the text, in characters.
        ids: `[n]` numbers of its tokens, those of the prompt and the special ones among them.
        spans: `[n, 2]` int64, where each token lies in the text, in characters; -1 for the special
            ones and those of the prompt.
        segments: `[n]` which of two texts each token is of, where the model wants to know.
    """

    text: int
    start: int
    end: int
    ids: Sequence[int]
    spans: npt.NDArray[np.int64]
    segments: Sequence[int] | None


@dataclass(frozen=True)
class Windows:
    """Cuts texts into windows.

    Args:
        tokenizer: a fast one of transformers, or one of tokenizers that neither truncates nor pads.
        longest: tokens of a window with the special ones and without a prompt; None: any number.
    """

    tokenizer: Any
    longest: int | None

    def lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text with the special ones, `[n]`."""
        lengths = np.zeros(len(texts), dtype=np.int64)
        for start in range(0, len(texts), _BLOCK):
            block = self._encodings(texts[start : start + _BLOCK])
            lengths[start : start + _BLOCK] = [len(each.ids) for each in block]
        return lengths

    def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """Where the windows of each text begin and end, in characters."""
        return [
            [(0, len(text))] if self.longest is None or n <= self.longest else self._cut(text)
            for text, n in zip(texts, self.lengths(texts).tolist(), strict=True)
        ]

    def of(self, texts: Sequence[str], prompt: str = "") -> Iterator[Window]:
        """The windows of all texts, text after text, each with a prompt put in front of it."""
        for begin in range(0, len(texts), _BLOCK):
            block = texts[begin : begin + _BLOCK]
            encodings = self._encodings([prompt + text for text in block])
            lengths = (
                [len(e.ids) for e in encodings] if not prompt else self.lengths(block).tolist()
            )
            for number, encoding in enumerate(encodings):
                text, place = block[number], begin + number
                if self.longest is None or lengths[number] <= self.longest:
                    yield _window(place, (0, len(text)), len(prompt), encoding)
                    continue
                spans = self._cut(text)
                pieces = self._encodings([prompt + text[start:end] for start, end in spans])
                for span, piece in zip(spans, pieces, strict=True):
                    yield _window(place, span, len(prompt), piece)

    def _cut(self, text: str) -> list[Span]:
        """Cut one text into overlapping windows of at most `longest` tokens."""
        assert self.longest is not None
        special = len(self._encodings([""])[0].ids)
        room = max(1, self.longest - special - _SLACK)
        (encoding,) = self._encodings([text], special=False)
        offsets, words = encoding.offsets, encoding.word_ids
        windows, start = [], 0
        while start < len(offsets):
            end = _word_boundary(words, min(start + room, len(offsets)), start)
            windows.append((offsets[start][0], offsets[end - 1][1]))
            if end == len(offsets):
                break
            start = max(start + 1, _word_boundary(words, max(end - _OVERLAP, start + 1), start))
        return windows

    def _encodings(self, texts: Sequence[str], *, special: bool = True) -> list[Any]:
        if not texts:
            return []
        if hasattr(self.tokenizer, "encode_batch"):
            return list(self.tokenizer.encode_batch(list(texts), add_special_tokens=special))
        found = self.tokenizer(
            list(texts),
            add_special_tokens=special,
            return_offsets_mapping=True,
            truncation=False,
            padding=False,
            verbose=False,
        )
        return list(found.encodings)


def _window(number: int, span: Span, prompt: int, encoding: Any) -> Window:
    """A window by its place in the text and the characters of the prompt before it."""
    places = np.array(encoding.offsets, np.int64).reshape(-1, 2) - prompt + span[0]
    outside = np.array(encoding.special_tokens_mask, bool) | (places[:, 0] < span[0])
    places[outside] = -1
    return Window(number, *span, encoding.ids, places, encoding.type_ids)


def _word_boundary(words: Sequence[int | None], position: int, after: int) -> int:
    """The last token position in (after, position] where a word begins; `position` if none."""
    if position >= len(words):
        return position
    for candidate in range(position, after, -1):
        if words[candidate] != words[candidate - 1]:
            return candidate
    return position
