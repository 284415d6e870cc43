"""Text embeddings: a protocol, and sentence-transformers behind it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np
import numpy.typing as npt

from graphagg.checks import one_of
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.models.encoding.bert import BertRunner, is_bert
from graphagg.rag.models.encoding.bert_files import BertFiles
from graphagg.rag.models.encoding.forward import Encoded, ModuleRunner, Runner, forward
from graphagg.rag.models.encoding.pooling import PassageVectors, SentencePool, Spans, unit
from graphagg.rag.models.encoding.products import multiplies_exactly
from graphagg.rag.models.encoding.windows import Window, Windows
from graphagg.rag.models.spec import ModelSpec
from graphagg.rag.models.weights import (
    DEFAULT_ENCODER,
    DTYPES,
    Dtype,
    Kind,
    best_dtype,
    has_token_means,
    load_encoder,
    prompt_of,
    with_fast_linear,
)

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


class Encoder(Protocol):
    """Turns texts into unit vectors.

    A vector should depend on its text alone, to the bit, and not on the texts beside it: then a
    change of an index equals a rebuild to the bit.
    """

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


class PassageEncoder(Encoder, Protocol):
    """An encoder that gives the vectors of a passage's sentences with the vector of the passage."""

    @property
    def pools_sentences(self) -> bool:
        """Whether it does; else each sentence is encoded as a text of its own."""
        ...

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed passages: unit vectors of their windows, as `split` cuts them, and sentences.

        Args:
            texts: `[P]`.
            sentences: where the sentences of each are, `[s, 2]` in characters.
            progress: called with stage, done, total.
        """
        ...


class WordEncoder(Encoder, Protocol):
    """An encoder that gives the vectors of a question's words with the vector of the question."""

    @property
    def gives_words(self) -> bool:
        """Whether it does."""
        ...

    def encode_asked(
        self, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """Embed questions, `[d]` each as `encode_query` does, and their words, `[w, d]` each.

        Args:
            questions: `[n]`.
            words: where the words of each are, `[w, 2]` in characters; an empty place stands for
                the question.
        """
        ...


def pools_sentences(encoder: Encoder) -> TypeGuard[PassageEncoder]:
    """Whether an encoder gives the vectors of sentences with those of passages."""
    return bool(getattr(encoder, "pools_sentences", False))


def gives_words(encoder: Encoder) -> TypeGuard[WordEncoder]:
    """Whether an encoder gives the vectors of words with those of questions."""
    return bool(getattr(encoder, "gives_words", False))


class SentenceTransformerEncoder:
    """Any sentence-transformers model; it is loaded at first use.

    A text longer than the model's window is never cut: `split` gives its overlapping windows, and
    the passage index keeps one vector a window and scores a passage by the best of them (max over
    windows). Other long texts (sentences, questions) get the normalized mean of their windows.

    A text's vector depends on the text alone, to the bit: not on the texts beside it, their order,
    or the number of threads. Corpus texts may be encoded in int8 or bfloat16. Questions to a BERT
    whose tokens are averaged, as the default one, are then encoded in bfloat16 where the processor
    has it; names, and questions to other models, in float32. A model's prompts for queries and
    documents are used. Threads may share an encoder; they take turns.

    Args:
        model: the default package, or any sentence-transformers name or path.
        dtype: of corpus texts. `auto` takes int8 for such a BERT on processors with instructions
            for exact products of it, else bfloat16 on those with instructions for that, else
            float32.
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
    def _loaded(self) -> tuple[SentenceTransformer | BertFiles, str]:
        with self._lock:
            model, sha256 = load_encoder(self._name, self._device)
        if isinstance(model, BertFiles):
            return model, sha256
        fast = getattr(model.tokenizer, "is_fast", False)  # a static model's has no such attribute
        if model.max_seq_length is not None and not fast:
            raise InvalidParameter(
                f"encoder {self._name!r}: its tokenizer gives no offsets, so long texts could not "
                "be split; use a model with a fast tokenizer, or profile fast, which makes a table "
                "of any model"
            )
        return model, sha256

    @property
    def _model(self) -> SentenceTransformer | BertFiles:
        return self._loaded[0]

    @cached_property
    def _exact_model(self) -> SentenceTransformer:
        assert not isinstance(self._model, BertFiles), "that is a BERT"
        return with_fast_linear(self._model)

    @cached_property
    def _query_runner(self) -> Runner:
        dtype: Kind = self._dtype if is_bert(self._model) else "float32"
        if dtype == "int8":  # a question is too short to pay for loading compiled code
            dtype = best_dtype("cpu")
        return self._runner(dtype, self._query_prompt, alone=True)

    @cached_property
    def _name_runner(self) -> Runner:
        if is_bert(self._model) and self._dtype == "float32":
            return self._query_runner  # a prompt is among the tokens: nothing is different here
        return self._runner("float32", self._corpus_prompt, alone=True)

    @cached_property
    def _corpus_runner(self) -> Runner:
        return self._runner(self._dtype, self._corpus_prompt, alone=False)

    def _runner(self, dtype: Kind, prompt: str, *, alone: bool) -> Runner:
        model = self._model
        if is_bert(model):
            return BertRunner(model, dtype, alone=alone)
        assert not isinstance(model, BertFiles), "that is a BERT"
        if dtype == "float32":
            return ModuleRunner(self._exact_model, prompt)
        return ModuleRunner(copy.deepcopy(model).bfloat16(), prompt)

    @cached_property
    def _dtype(self) -> Kind:
        wanted, has_layers = self._wanted_dtype, is_bert(self._model)
        if wanted == "auto":
            fast = has_layers and multiplies_exactly()
            return "int8" if fast else best_dtype(self._model.device.type)
        if wanted == "int8" and not has_layers:
            raise InvalidParameter(
                f"encoder {self._name!r}: dtype int8 is for BERT models on a CPU whose vector is "
                "the mean of its tokens' vectors; take float32 or bfloat16"
            )
        return wanted

    @cached_property
    def _query_prompt(self) -> str:
        return prompt_of(self._model, "query")

    @cached_property
    def _corpus_prompt(self) -> str:
        return prompt_of(self._model, "document", "passage", "corpus")

    @cached_property
    def _windows(self) -> Windows:
        """Cuts texts so that each window has room beside the longest prompt."""
        tokenizer, longest = self._model.tokenizer, self._model.max_seq_length
        if longest is not None:
            special, *prompts = (
                Windows(tokenizer, None)
                .lengths(["", self._query_prompt, self._corpus_prompt])
                .tolist()
            )
            longest = longest - max(prompts) + special
        return Windows(tokenizer, longest)

    @cached_property
    def spec(self) -> ModelSpec:
        """Name, sha256, dimension, dtype and window, and how sentences are embedded."""
        settings = {
            "dimension": self.dimension,
            "dtype": self._dtype,
            "window": self._model.max_seq_length,
            "sentences": "pooled" if self.pools_sentences else "encoded",
        }
        return ModelSpec(self._name, self._loaded[1], settings)

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        size = self._model.get_embedding_dimension()
        assert size is not None
        return size

    @cached_property
    def pools_sentences(self) -> bool:
        """Whether the model's vector of a text is the mean of its tokens' vectors."""
        return has_token_means(self._model)

    @property
    def gives_words(self) -> bool:
        """Whether the model gives vectors of words: those of sentences are made in the same way."""
        return self.pools_sentences

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Cut texts at word boundaries into windows that share 32 tokens."""
        with self._lock:
            spans = self._windows.spans(texts)
        return [[text[a:b] for a, b in each] for text, each in zip(texts, spans, strict=True)]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> npt.NDArray[np.float32]:
        """Embed texts; duplicates are encoded once."""
        return self._encode(self._corpus_runner, texts, self._corpus_prompt, progress)

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Embed questions with the query prompt; names as the corpus' names, in float32."""
        asked = self._encode(self._query_runner, questions, self._query_prompt, silent)
        if not names:
            return asked, np.empty((0, self.dimension), np.float32)
        return asked, self._encode(self._name_runner, names, self._corpus_prompt, silent)

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed passages; a sentence gets the mean of its tokens' vectors as its passage has them.

        Equal texts with equal sentences are encoded once.
        """
        return self._pooled(self._corpus_runner, texts, sentences, self._corpus_prompt, progress)

    def encode_asked(
        self, questions: Sequence[str], words: Sequence[Spans]
    ) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
        """Embed questions and their words, which get the mean of their tokens' vectors."""
        found = self._pooled(self._query_runner, questions, words, self._query_prompt, silent)
        return [(_of_windows(windows)[0], of_words) for windows, of_words in found]

    def _pooled(
        self,
        runner: Runner,
        texts: Sequence[str],
        sentences: Sequence[Spans],
        prompt: str,
        progress: Progress,
    ) -> list[PassageVectors]:
        with self._lock:
            place: dict[tuple[str, bytes], int] = {}
            pairs = ((t, s.tobytes()) for t, s in zip(texts, sentences, strict=True))
            rows = [place.setdefault(pair, len(place)) for pair in pairs]
            first = np.unique(rows, return_index=True)[1].tolist()
            distinct = [texts[i] for i in first]
            windows = self._cut(distinct, prompt)
            pools = [
                SentencePool(texts[i], sentences[i], own)
                for i, own in zip(first, windows, strict=True)
            ]
            found = [np.empty((len(own), self.dimension), np.float32) for own in windows]
            for passage, number, encoded in self._run(runner, distinct, windows, progress):
                assert encoded.tokens is not None, "such a model gives token vectors"
                found[passage][number] = encoded.vector
                pools[passage].add(number, encoded.tokens)
        vectors = [
            PassageVectors(of_windows := unit(raw), pool.vectors(of_windows[0]))
            for raw, pool in zip(found, pools, strict=True)
        ]
        return [vectors[row] for row in rows]

    def _encode(
        self, runner: Runner, texts: Sequence[str], prompt: str, progress: Progress
    ) -> npt.NDArray[np.float32]:
        with self._lock:
            place: dict[str, int] = {}
            rows = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
            distinct = list(place)
            windows = self._cut(distinct, prompt)
            found = [np.empty((len(own), self.dimension), np.float32) for own in windows]
            for text, number, encoded in self._run(runner, distinct, windows, progress):
                found[text][number] = encoded.vector
        whole = [_of_windows(unit(raw)) for raw in found]
        stacked = np.concatenate([np.empty((0, self.dimension), np.float32), *whole])
        return stacked[rows]

    def _cut(self, texts: Sequence[str], prompt: str) -> list[list[Window]]:
        """The windows of each text."""
        windows: list[list[Window]] = [[] for _ in texts]
        for window in self._windows.of(texts, prompt):
            windows[window.text].append(window)
        return windows

    def _run(
        self,
        runner: Runner,
        texts: Sequence[str],
        windows: Sequence[Sequence[Window]],
        progress: Progress,
    ) -> Iterator[tuple[int, int, Encoded]]:
        """Each window's text and number, and what the model makes of it, in any order."""
        import torch

        places = [(text, number) for text, own in enumerate(windows) for number in range(len(own))]
        flat = [window for own in windows for window in own]
        pieces = [texts[window.text][window.start : window.end] for window in flat]
        found = forward(runner, flat, pieces, torch.get_num_threads())
        for done, (i, encoded) in enumerate(found, start=1):
            yield *places[i], encoded
            progress("encode", done, len(flat))


def _of_windows(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The vector of a text by the unit vectors of its windows, `[1, d]`.

    What is one window keeps its bits: they would change if it was made a unit vector twice.
    """
    return vectors if len(vectors) == 1 else unit(vectors.sum(axis=0, keepdims=True))


def _encoder(model: str, dtype: Dtype, device: str | None) -> SentenceTransformerEncoder:
    return SentenceTransformerEncoder(model, dtype=dtype, device=device)
