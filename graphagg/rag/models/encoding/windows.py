"""Splits texts into windows of tokens that fit the maximum input length of a model.

A longer text is split at a line start in the second half of a window. Without one it is split
between words, and the windows overlap, so that words at the split have context in one of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_OVERLAP = 32  # tokens that neighboring windows share
_SLACK = 4  # tokens that a window may gain when it is split inside a word
_BLOCK = 1024  # texts per call of the tokenizer

Span = tuple[int, int]


class Window(NamedTuple):
    """A window `[start:end]` of a text as n input tokens of a model, including the prompt."""

    text: int  # index of its text
    start: int
    end: int
    ids: Sequence[int]  # `[n]`
    spans: npt.NDArray[np.int64]  # `[n, 2]` of tokens in the text; -1: special or prompt token


@dataclass(frozen=True)
class Windows:
    """Splits texts into windows."""

    tokenizer: Tokenizer  # neither truncates nor pads
    longest: int | None  # maximum tokens of a window, without prompt; None: no limit

    def cut(self, texts: Sequence[str], prompt: str = "") -> Iterator[Window]:
        """Yield the windows of all texts, in order; each starts with the prompt."""
        for begin in range(0, len(texts), _BLOCK):
            block = texts[begin : begin + _BLOCK]
            encodings = self._encodings([prompt + text for text in block])
            alone = self._encodings(block) if prompt else encodings
            for i, encoding in enumerate(encodings):
                text, position = block[i], begin + i
                if self.longest is None or len(alone[i].ids) <= self.longest:
                    yield _window(position, (0, len(text)), len(prompt), encoding)
                    continue
                spans = self._split_long(text)
                pieces = self._encodings([prompt + text[start:end] for start, end in spans])
                for span, piece in zip(spans, pieces, strict=True):
                    yield _window(position, span, len(prompt), piece)

    def _split_long(self, text: str) -> list[Span]:
        """Split one text into windows of at most `longest` tokens."""
        assert self.longest is not None
        special = len(self._encodings([""])[0].ids)
        room = max(1, self.longest - special - _SLACK)
        (encoding,) = self._encodings([text], special=False)
        offsets, words = encoding.offsets, encoding.word_ids
        windows, start = [], 0
        while start < len(offsets):
            last = min(start + room, len(offsets))
            line = last < len(offsets) and _line(text, offsets, start + room // 2, last)
            end = line or _word_boundary(words, last, start)
            windows.append((offsets[start][0], offsets[end - 1][1]))
            if end == len(offsets):
                break
            again = _word_boundary(words, max(end - _OVERLAP, start + 1), start)
            start = line or max(start + 1, again)
        return windows

    def _encodings(self, texts: Sequence[str], *, special: bool = True) -> list[Any]:
        return list(self.tokenizer.encode_batch(list(texts), add_special_tokens=special))


def _window(text: int, span: Span, prompt: int, encoding: Any) -> Window:
    """Create a window from its span in the text; `prompt` is the prompt's length in characters."""
    spans = np.array(encoding.offsets, np.int64).reshape(-1, 2) - prompt + span[0]
    outside = np.array(encoding.special_tokens_mask, bool) | (spans[:, 0] < span[0])
    spans[outside] = -1
    return Window(text, *span, encoding.ids, spans)


def _line(text: str, offsets: Sequence[Span], after: int, last: int) -> int:
    """Return the last token position in (after, last] where a line begins; 0 if none."""
    for position in range(last, after, -1):
        if "\n" in text[offsets[position - 1][0] : offsets[position][0]]:
            return position
    return 0


def _word_boundary(words: Sequence[int | None], position: int, after: int) -> int:
    """Return the last token in (after, position] that begins a word; `position` if none."""
    if position >= len(words):
        return position
    for candidate in range(position, after, -1):
        if words[candidate] != words[candidate - 1]:
            return candidate
    return position
