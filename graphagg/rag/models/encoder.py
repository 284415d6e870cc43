"""Text embeddings: a protocol, and sentence-transformers behind it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from graphagg.checks import one_of
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.models.forward import forward
from graphagg.rag.models.spec import ModelSpec
from graphagg.rag.models.weights import (
    DEFAULT_ENCODER,
    DTYPES,
    Dtype,
    best_dtype,
    load,
    prompt_of,
    with_fast_linear,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_OVERLAP = 32  # tokens that neighboring windows share
_SLACK = 4  # tokens that a window may gain when it is cut inside a word


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    @property
    def spec(self) -> ModelSpec:
        """Identity of the model, recorded in the index."""
        ...

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        ...

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut each text into windows that the model reads whole; a short text is one window."""
        ...

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> npt.NDArray[np.float32]:
        """Embed texts of the corpus as unit vectors, `[n, d]` float32."""
        ...

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Embed questions `[n, d]` and entity names in them `[m, d]`, in full precision."""
        ...


class SentenceTransformerEncoder:
    """Any sentence-transformers model; it is loaded at first use.

    A text longer than the model's window is never cut: `split` gives its overlapping windows, and
    the passage index keeps one vector a window and scores a passage by the best of them (max over
    windows). Other long texts (sentences, questions) get the normalized mean of their windows.

    Corpus texts may be encoded in bfloat16, questions always are in float32: so an answer does not
    depend on which questions share a batch. A model's prompts for queries and documents are used.
    Threads may share an encoder; they take turns.

    Args:
        model: the default package, or any sentence-transformers name or path.
        dtype: of corpus texts; `auto` takes bfloat16 on processors with bfloat16 instructions,
            else float32.
        device: `cpu`, `cuda`, `cuda:1`, ...; None takes a GPU if there is one.
    """

    def __init__(
        self, model: str = DEFAULT_ENCODER, *, dtype: Dtype = "auto", device: str | None = None
    ) -> None:
        one_of("dtype", dtype, DTYPES)
        self._name, self._wanted_dtype, self._device = model, dtype, device
        self._lock = threading.RLock()  # fast tokenizers are not thread-safe

    def __reduce__(self) -> tuple[Any, ...]:
        """Sent to another process, it loads the model there."""
        return _encoder, (self._name, self._wanted_dtype, self._device)

    @cached_property
    def _loaded(self) -> tuple[SentenceTransformer, str]:
        with self._lock:
            model, sha256 = load(self._name, self._device)
        fast = getattr(model.tokenizer, "is_fast", False)  # a static model's has no such attribute
        if model.max_seq_length is not None and not fast:
            raise InvalidParameter(
                f"encoder {self._name!r}: its tokenizer gives no offsets, so long texts could not "
                "be split; use a model with a fast tokenizer"
            )
        return model, sha256

    @property
    def _model(self) -> SentenceTransformer:
        return self._loaded[0]

    @cached_property
    def _exact_model(self) -> SentenceTransformer:
        return with_fast_linear(self._model)

    @cached_property
    def _corpus_model(self) -> SentenceTransformer:
        import torch

        if self._dtype == "float32":
            return self._exact_model
        return copy.deepcopy(self._model).to(getattr(torch, self._dtype))

    @cached_property
    def _dtype(self) -> str:
        wanted = self._wanted_dtype
        return best_dtype(self._model.device.type) if wanted == "auto" else wanted

    @cached_property
    def _query_prompt(self) -> str:
        return prompt_of(self._model, "query")

    @cached_property
    def _corpus_prompt(self) -> str:
        return prompt_of(self._model, "document", "passage", "corpus")

    @cached_property
    def _special(self) -> int:
        """Tokens that every text gets."""
        return int(self._lengths([""])[0])

    @cached_property
    def _window(self) -> int | None:
        """Tokens of a text and its special ones that the model reads, beside the longest prompt."""
        if self._model.max_seq_length is None:
            return None
        prompts = self._lengths([self._query_prompt, self._corpus_prompt])
        return int(self._model.max_seq_length - prompts.max() + self._special)

    @cached_property
    def spec(self) -> ModelSpec:
        """Name, sha256, dimension, dtype and window of the model."""
        window = self._model.max_seq_length
        settings = {"dimension": self.dimension, "dtype": self._dtype, "window": window}
        return ModelSpec(self._name, self._loaded[1], settings)

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        size = self._model.get_embedding_dimension()
        assert size is not None
        return size

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut texts at word boundaries into windows that share 32 tokens."""
        return self._split(texts, self._lengths(texts))

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> npt.NDArray[np.float32]:
        """Embed texts; duplicates are encoded once, batches hold texts of like length."""
        return self._encode(self._corpus_model, texts, self._corpus_prompt, progress)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Embed questions with the query prompt and names as the corpus' names were, in float32."""
        if self._query_prompt == self._corpus_prompt:  # one batch
            both = self._encode(self._exact_model, [*questions, *names], self._query_prompt, silent)
            return both[: len(questions)], both[len(questions) :]
        return (
            self._encode(self._exact_model, questions, self._query_prompt, silent),
            self._encode(self._exact_model, names, self._corpus_prompt, silent),
        )

    def _encode(
        self, model: SentenceTransformer, texts: Sequence[str], prompt: str, progress: Progress
    ) -> npt.NDArray[np.float32]:
        with self._lock:
            return self._encode_alone(model, texts, prompt, progress)

    def _encode_alone(
        self, model: SentenceTransformer, texts: Sequence[str], prompt: str, progress: Progress
    ) -> npt.NDArray[np.float32]:
        place: dict[str, int] = {}
        rows = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
        distinct = list(place)
        lengths = self._lengths(distinct)
        windows = self._split(distinct, lengths)
        counts = np.array([len(text) for text in windows], dtype=np.int64)
        flat = [window for text in windows for window in text]
        whole = lengths if self._window is None else np.minimum(lengths, self._window)
        vectors = np.empty((len(flat), self.dimension), dtype=np.float32)
        done = 0
        for batch, found in forward(model, flat, np.repeat(whole, counts), prompt):
            vectors[batch] = found
            done += len(batch)
            progress("encode", done, len(flat))
        if len(vectors) > len(distinct):
            vectors = np.add.reduceat(vectors, np.cumsum(counts) - counts, axis=0)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors if len(distinct) == len(rows) else vectors[rows]

    def _split(self, texts: Sequence[str], lengths: npt.NDArray[np.int64]) -> list[list[str]]:
        window = self._window
        return [
            [text] if window is None or n <= window else self._windows(text, window)
            for text, n in zip(texts, lengths, strict=True)
        ]

    def _lengths(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Tokens of each text with the special ones, `[n]`."""
        lengths = np.zeros(len(texts), dtype=np.int64)
        for start in range(0, len(texts), 1024):
            ids = self._tokenize(list(texts[start : start + 1024]))["input_ids"]
            lengths[start : start + 1024] = [len(row) for row in ids]
        return lengths

    def _windows(self, text: str, window: int) -> list[str]:
        """Cut one text into overlapping windows of at most `window` tokens."""
        room = max(1, window - self._special - _SLACK)
        encoding = self._tokenize([text], special=False, offsets=True)
        offsets, words = encoding["offset_mapping"][0], encoding.word_ids(0)
        windows, start = [], 0
        while start < len(offsets):
            end = _word_boundary(words, min(start + room, len(offsets)), start)
            windows.append(text[offsets[start][0] : offsets[end - 1][1]])
            if end == len(offsets):
                break
            start = max(start + 1, _word_boundary(words, max(end - _OVERLAP, start + 1), start))
        return windows

    def _tokenize(self, texts: list[str], *, special: bool = True, offsets: bool = False) -> Any:
        return self._model.tokenizer(
            texts,
            add_special_tokens=special,
            return_offsets_mapping=offsets,
            truncation=False,
            padding=False,
            verbose=False,
        )


def _encoder(model: str, dtype: Dtype, device: str | None) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(model, dtype=dtype, device=device)


def _word_boundary(words: Sequence[int | None], position: int, after: int) -> int:
    """The last token position in (after, position] where a word begins; `position` if none."""
    if position >= len(words):
        return position
    for candidate in range(position, after, -1):
        if words[candidate] != words[candidate - 1]:
            return candidate
    return position
