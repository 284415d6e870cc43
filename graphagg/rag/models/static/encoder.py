"""Static encoder: the vector of a text is the sum of its tokens' rows in a packaged table.

Rows are integers, `codes[t] * 2 ** shifts[t]` for token t, so sums are exact in any order and a
vector has the same bytes in any batch, on any machine. The table was computed from the default
model by `benchmarks.retrieval.static_table`. Source: Model2Vec (Tulkens and van Dongen, 2024).
Departures: rows are fixed-point integers, and token vectors are summed, not averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from importlib.resources import as_file, files
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import needs
from graphagg.progress import Progress, silent
from graphagg.rag.models.encoding.legible import legible
from graphagg.rag.models.encoding.pooling import NO_SPANS, PassageVectors, Spans, Vectors
from graphagg.rag.models.spec import ModelSpec, pinned_sha256

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STATIC_ENCODER = "static-minilm-l6-v2-96"
"""Name of the default encoder in profile `fast`."""
_SHA256 = "af0ebb5c519e7e7566916767212970c462ec113cc8a83aa8e1133f8d837cdd3a"
_BATCH = 4096  # texts per call of the tokenizer


class StaticEncoder:
    """Encodes texts with the packaged table; see the module docstring.

    Raises `ModelMismatch` if the table's file has been modified.

    Examples:
        >>> StaticEncoder().encode(["a river", "tax law"]).shape
        (2, 96)
    """

    spec = ModelSpec(STATIC_ENCODER, _SHA256, {"dimension": 96, "static": True})
    dimension = 96
    pools_sentences = True

    @cached_property
    def _table(self) -> Mapping[str, npt.NDArray[Any]]:
        with as_file(files(__package__).joinpath(f"{STATIC_ENCODER}.npz")) as path:
            pinned_sha256(path, _SHA256, "graphagg")
            # Arrays are decompressed on access; the default model needs only the tokenizer.
            table: Mapping[str, Any] = np.load(BytesIO(path.read_bytes()), allow_pickle=False)
        return table

    @cached_property
    def rows(self) -> npt.NDArray[np.int16]:
        """The table rows of all V tokens, `[V, d]`."""
        codes, shifts = self._table["codes"], self._table["shifts"]
        return codes.astype(np.int16) << shifts[:, None].astype(np.int16)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the table and of the default model; it neither truncates nor pads."""
        with needs("tokenizers", "search"):
            from tokenizers import Tokenizer
        tokenizer = Tokenizer.from_str(self._table["tokenizer"].tobytes().decode())
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Keep each text as one window."""
        return [[text] for text in texts]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        """Embed texts as unit vectors, `[n, d]` float32; zeros for texts that are not legible."""
        whole = self.encode_passages(texts, [NO_SPANS] * len(texts), progress)
        return np.concatenate([np.empty((0, self.dimension), np.float32), *(w for w, _ in whole)])

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed passages, one window each; a sentence vector sums the tokens that begin in it."""
        vectors: list[PassageVectors] = []
        is_read = legible(self.tokenizer, texts)
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            for encoding in self.tokenizer.encode_batch(batch, add_special_tokens=False):
                spans, rows = sentences[len(vectors)], self.rows[encoding.ids]
                begins = np.array([begin for begin, _ in encoding.offsets], np.int64)
                bounds = [(0, len(rows)), *np.searchsorted(begins, spans).tolist()]
                sums = np.zeros((len(bounds), self.dimension), np.int64)
                if is_read[len(vectors)]:
                    for total, (first, end) in zip(sums, bounds, strict=True):
                        rows[first:end].sum(axis=0, dtype=np.int64, out=total)
                units = _unit(sums)
                vectors.append(PassageVectors(units[:1], units[1:]))
            progress("encode", len(vectors), len(texts))
        return vectors

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """Embed questions and names the same way as corpus texts."""
        return self.encode(questions), self.encode(names)


def _unit(sums: npt.NDArray[np.int64]) -> Vectors:
    """Scale each row to unit length; zero rows stay zero."""
    values = sums.astype(np.float64)
    lengths = np.sqrt((values * values).sum(axis=1, keepdims=True))
    vectors: Vectors = (values / np.maximum(lengths, 1.0)).astype(np.float32)
    return vectors
