"""Encoders of texts: their protocols, and the encoder of any sentence-transformers model."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np

from graphagg.errors import InvalidParameter, InvalidVectors
from graphagg.progress import Progress, silent
from graphagg.rag.models.encoding.bert import BertModel, BertRunner
from graphagg.rag.models.encoding.center import TEXTS, center_of, centered, centered_sha256
from graphagg.rag.models.encoding.forward import ModuleRunner, Runner, forward, thread_count
from graphagg.rag.models.encoding.legible import legible
from graphagg.rag.models.encoding.pooling import (
    NO_SPANS,
    PassageVectors,
    SentencePool,
    Spans,
    Vectors,
    unit,
)
from graphagg.rag.models.encoding.windows import Window, Windows
from graphagg.rag.models.packaged import DEFAULT_ENCODER
from graphagg.rag.models.spec import ModelSpec
from graphagg.rag.models.weights import load_encoder, pools_tokens, prompt_of

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Encoder(Protocol):
    """Interface of encoders, which turn texts into unit vectors.

    A vector should depend only on its text, to the bit, not on other texts in the batch: then an
    updated index equals a rebuilt one to the bit.

    Examples:
        >>> from graphagg.rag.models.spec import ModelSpec
        >>> class Vowels:
        ...     spec, dimension = ModelSpec("vowels", "0" * 64), 5
        ...     def split(self, texts):
        ...         return [[text] for text in texts]
        ...     def encode(self, texts, progress=None):
        ...         counts = [[text.count(vowel) + 1 for vowel in "aeiou"] for text in texts]
        ...         return unit(np.array(counts, np.float32))
        ...     def encode_query(self, questions, names):
        ...         return self.encode(questions), self.encode(names)
        >>> Vowels().encode(["Warsaw"]).round(2)
        array([[0.83, 0.28, 0.28, 0.28, 0.28]], dtype=float32)
    """

    @property
    def spec(self) -> ModelSpec:
        """Identity of the model, recorded in the index."""

    @property
    def dimension(self) -> int:
        """Length d of a vector."""

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Split each text into windows that fit the model's input; a short text is one window."""

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        """Embed texts of the corpus as unit vectors, `[n, d]` float32."""

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """Embed questions, `[n, d]`, and the entity names in them, `[m, d]`."""


class PassageEncoder(Encoder, Protocol):
    """An encoder that can embed sentences in the context of their passage."""

    @property
    def pools_sentences(self) -> bool:
        """Whether sentences are embedded with their passage; else each is encoded separately."""

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed passages; returns unit vectors of windows (see `split`) and of sentence spans."""


class WordEncoder(Encoder, Protocol):
    """An encoder that can embed the words of a question in the context of the question."""

    @property
    def gives_words(self) -> bool:
        """Whether words are embedded with their question."""

    def encode_with_words(
        self, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[Vectors, Vectors]]:
        """Embed questions, `[d]` each as in `encode_query`, and their words, `[w, d]` each.

        `words` are spans `[w, 2]` in characters; an empty span means the whole question.
        """


def pools_sentences(encoder: Encoder) -> TypeGuard[PassageEncoder]:
    """Whether an encoder embeds sentences together with their passages."""
    return bool(getattr(encoder, "pools_sentences", False))


def gives_words(encoder: Encoder) -> TypeGuard[WordEncoder]:
    """Whether an encoder embeds words together with their question."""
    return bool(getattr(encoder, "gives_words", False))


def checked(encoder: Encoder, vectors: Any, count: int) -> Vectors:
    """Check an encoder's vectors; raise `InvalidVectors` unless finite and `[count, d]`."""
    rows, size = np.asarray(vectors, np.float32), encoder.dimension
    if rows.size != count * size or not np.isfinite(rows).all():
        raise InvalidVectors(
            f"encoder {encoder.spec.name!r}: it returned vectors that are not finite, or of shape "
            f"{list(rows.shape)}; expected {count} vectors of {size} finite values"
        )
    return rows.reshape(count, size)


class SentenceTransformerEncoder:
    """Encodes texts with any sentence-transformers model; the model is loaded on first use.

    A text longer than the model's window is never truncated: `split` returns its windows, the
    passage index stores one vector per window, and a passage is ranked by its best window. Other
    long texts (sentences, questions) get the normalized mean of their windows. The model's prompts
    for queries and documents are used. Threads may share an encoder; a lock serializes the calls.

    On a CPU a vector depends only on its text, to the bit: not on other texts in the batch, their
    order, or the number of threads.

    The packaged models run on the CPU without PyTorch, in 8 bits. All other models need
    sentence-transformers (extra `rag-torch`).

    Args:
        model: a packaged model, or any sentence-transformers name or path.
        device: `cpu`, `cuda`, `cuda:1`, ...; None uses a GPU if available. Packaged models always
            run on the CPU.

    Examples:
        >>> encoder = SentenceTransformerEncoder()
        >>> encoder.encode(["The Vistula flows through Warsaw."]).shape
        (1, 384)
        >>> encoder.split(["Short."]), encoder.encode_query(["Which river?"], ["Warsaw"])[1].shape
        ([['Short.']], (1, 384))
    """

    def __init__(self, model: str = DEFAULT_ENCODER, *, device: str | None = None) -> None:
        self._name, self._device = model, device
        self._lock = threading.RLock()  # fast tokenizers are not thread-safe

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only name and options; the other process loads the model again."""
        return partial(SentenceTransformerEncoder, device=self._device), (self._name,)

    @cached_property
    def _loaded(self) -> tuple[SentenceTransformer | BertModel, str]:
        with self._lock:
            model, sha256 = load_encoder(self._name, self._device)
        is_fast = isinstance(model, BertModel) or getattr(model.tokenizer, "is_fast", False)
        if not is_fast:
            raise InvalidParameter(
                f"encoder {self._name!r}: its tokenizer gives no offsets, so long texts could not "
                "be split; use a model with a fast tokenizer"
            )
        return model, sha256

    @property
    def _model(self) -> SentenceTransformer | BertModel:
        return self._loaded[0]

    @cached_property
    def _corpus_runner(self) -> Runner:
        model = self._model
        return BertRunner(model) if isinstance(model, BertModel) else ModuleRunner(model)

    @cached_property
    def _query_runner(self) -> Runner:
        runner = self._corpus_runner
        return runner.by_numpy() if isinstance(runner, BertRunner) else runner

    @cached_property
    def _query_prompt(self) -> str:
        return prompt_of(self._model, "query")

    @cached_property
    def _corpus_prompt(self) -> str:
        return prompt_of(self._model, "document", "passage", "corpus")

    @cached_property
    def _windows(self) -> Windows:
        """Splits texts; each window leaves room for the longest prompt."""
        tokenizer, longest = self._model.tokenizer, self._model.max_seq_length
        if (backend := getattr(tokenizer, "backend_tokenizer", None)) is not None:
            tokenizer = type(backend).from_str(backend.to_str())
            tokenizer.no_truncation()
            tokenizer.no_padding()
        if longest is not None:
            prompts = ["", self._query_prompt, self._corpus_prompt]
            special, *lengths = (len(each.ids) for each in tokenizer.encode_batch(prompts))
            longest = longest - max(lengths) + special
        return Windows(tokenizer, longest)

    @cached_property
    def center(self) -> Vectors | None:
        """Mean direction of the vectors, for a model whose vectors lie in a narrow cone."""
        if self._name == DEFAULT_ENCODER:
            return None  # measured: not needed; skipping it makes loading faster
        none = [NO_SPANS] * len(TEXTS)
        pooled = self._pooled(
            self._corpus_runner, TEXTS, none, self._corpus_prompt, silent, raw=True
        )
        return center_of(np.concatenate([windows for windows, _ in pooled]))

    @cached_property
    def spec(self) -> ModelSpec:
        """Name, sha256, dimension, dtype, window, sentence method, and whether it is centered."""
        settings = {
            "dimension": self.dimension,
            "dtype": "int8" if isinstance(self._model, BertModel) else "float32",
            "window": self._model.max_seq_length,
            "cut": "at lines",
            "sentences": "pooled" if self.pools_sentences else "encoded",
        }
        if self.center is None:
            return ModelSpec(self._name, self._loaded[1], settings)
        sha256 = centered_sha256(self._loaded[1])
        return ModelSpec(self._name, sha256, settings | {"centered": True})

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        size = self._model.get_embedding_dimension()
        assert size is not None
        return size

    @cached_property
    def pools_sentences(self) -> bool:
        """Whether a text's vector is the mean of its token vectors or that of the first token."""
        return pools_tokens(self._model)

    @property
    def gives_words(self) -> bool:
        """Whether the model can embed words of questions, the same way as sentences."""
        return self.pools_sentences

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Split texts at line starts, else into windows that overlap by 32 tokens."""
        with self._lock:
            windows = self._cut(texts, "")
        return [[texts[w.text][w.start : w.end] for w in each] for each in windows]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        """Embed texts."""
        return self._encode(self._corpus_runner, texts, self._corpus_prompt, progress)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """Embed questions with the query prompt, and names with the corpus prompt."""
        vectors = self._encode(self._query_runner, questions, self._query_prompt, silent)
        if not names:
            return vectors, np.empty((0, self.dimension), np.float32)
        return vectors, self._encode(self._query_runner, names, self._corpus_prompt, silent)

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed passages; a sentence's vector is the mean of its token vectors in its passage."""
        return self._pooled(self._corpus_runner, texts, sentences, self._corpus_prompt, progress)

    def encode_with_words(
        self, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[Vectors, Vectors]]:
        """Embed questions and their words; a word's vector is the mean of its token vectors."""
        pooled = self._pooled(self._query_runner, questions, words, self._query_prompt, silent)
        return [(_of_windows(windows)[0], vectors) for windows, vectors in pooled]

    def _encode(
        self, runner: Runner, texts: Sequence[str], prompt: str, progress: Progress
    ) -> Vectors:
        pooled = self._pooled(runner, texts, [NO_SPANS] * len(texts), prompt, progress)
        rows = [_of_windows(windows) for windows, _ in pooled]
        return np.concatenate([np.empty((0, self.dimension), np.float32), *rows])

    def _cut(self, texts: Sequence[str], prompt: str) -> list[list[Window]]:
        """Split each text into windows."""
        windows: list[list[Window]] = [[] for _ in texts]
        for window in self._windows.cut(texts, prompt):
            windows[window.text].append(window)
        return windows

    def _pooled(
        self,
        runner: Runner,
        texts: Sequence[str],
        sentences: Sequence[Spans],
        prompt: str,
        progress: Progress,
        raw: bool = False,
    ) -> list[PassageVectors]:
        """Encode windows (equal ones once), and sentences if the model pools tokens.

        Texts that are not legible get the zero vector. Vectors are centered unless `raw`.
        """
        with self._lock:
            windows = self._cut(texts, prompt)
            pools = list(map(SentencePool, texts, sentences, windows))
            equal: dict[str, list[tuple[int, int]]] = {}
            for text in np.flatnonzero(legible(self._windows.tokenizer, texts)).tolist():
                for i, window in enumerate(windows[text]):
                    equal.setdefault(texts[text][window.start : window.end], []).append((text, i))
            groups = list(equal.values())
            vectors = [np.zeros((len(each), self.dimension), np.float32) for each in windows]
            first = [windows[text][i] for (text, i), *_ in groups]
            threads = thread_count() if isinstance(runner, BertRunner) else 1
            results = forward(runner, first, list(equal), prompt, threads)
            for done, (group, encoded) in enumerate(results, start=1):
                for text, i in groups[group]:
                    vectors[text][i] = encoded.vector
                    if encoded.tokens is not None:
                        pools[text].add(i, encoded.tokens)
                progress("encode", done, len(groups))
            units = map(unit, vectors)
            made = [PassageVectors(v, p.vectors(v[0])) for v, p in zip(units, pools, strict=True)]
        if raw:
            return made
        return [PassageVectors(*(centered(v, self.center) for v in each)) for each in made]


def _of_windows(vectors: Vectors) -> Vectors:
    """Return the vector of a text, `[1, d]`, from the unit vectors of its windows."""
    return vectors if len(vectors) == 1 else unit(vectors.sum(axis=0, keepdims=True))
