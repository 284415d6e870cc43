"""Cut texts into windows of tokens, each no longer than a model reads at once.

A longer text is cut where a line begins in the second half of a window, else between words, into
windows that overlap, so that words at the cut have context once.
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
_SLACK = 4  # tokens that a window may gain when it is cut inside a word
_BLOCK = 1024  # texts that go through the tokenizer at once

Span = tuple[int, int]


class Window(NamedTuple):
    """A window `[start:end]` of a text in n tokens, as a model reads it, with the prompt."""

    text: int  # index of its text
    start: int
    end: int
    ids: Sequence[int]  # `[n]`
    spans: npt.NDArray[np.int64]  # `[n, 2]` of tokens in the text; -1: special or of the prompt


@dataclass(frozen=True)
class Windows:
    """Cuts texts into windows."""

    tokenizer: Tokenizer  # neither cuts nor pads
    longest: int | None  # tokens of a window with special tokens, without a prompt; None: any

    def cut(self, texts: Sequence[str], prompt: str = "") -> Iterator[Window]:
        """Yield the windows of all texts, text after text, each with the prompt in front of it."""
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
        """Cut one text into windows of at most `longest` tokens."""
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
    """Make a window from its span in the text and the characters of the prompt before it."""
    spans = np.array(encoding.offsets, np.int64).reshape(-1, 2) - prompt + span[0]
    outside = np.array(encoding.special_tokens_mask, bool) | (spans[:, 0] < span[0])
    spans[outside] = -1
    return Window(text, *span, encoding.ids, spans)


def _line(text: str, offsets: Sequence[Span], after: int, last: int) -> int:
    """The last token position in (after, last] at which a line begins; 0 if none."""
    for position in range(last, after, -1):
        if "\n" in text[offsets[position - 1][0] : offsets[position][0]]:
            return position
    return 0


def _word_boundary(words: Sequence[int | None], position: int, after: int) -> int:
    """The last token position in (after, position] at which a word begins; `position` if none."""
    if position >= len(words):
        return position
    for candidate in range(position, after, -1):
        if words[candidate] != words[candidate - 1]:
            return candidate
    return position
