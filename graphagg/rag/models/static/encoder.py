"""A static encoder: the vector of a text is the sum of its tokens' rows in a table.

It reads texts of any length, without PyTorch. Rows are integers, so sums are exact in any order,
and a vector has the same bytes in any batch, on any machine. `benchmarks.retrieval.static_table`
makes tables. An index stores its table.

Source: Model2Vec (Tulkens and van Dongen, 2024). Departures: rows are fixed-point integers, and
texts are summed, not averaged; the length of a sum does not matter to a unit vector.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import as_file, files
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, offsets
from graphagg.errors import CorruptArtifact, InvalidParameter, needs
from graphagg.progress import Progress, silent
from graphagg.rag.models.encoding.legible import legible
from graphagg.rag.models.encoding.pooling import PassageVectors, Spans, Vectors
from graphagg.rag.models.spec import ModelSpec, pinned_sha256
from graphagg.store.manifest import file_sha256

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from graphagg.store import Artifact, ArtifactWriter

PACKAGED = "static-minilm-l6-v2-96"
"""The table that comes with graphagg, of the default model: `benchmarks.retrieval.static_table`."""
_PACKAGED_SHA256 = "af0ebb5c519e7e7566916767212970c462ec113cc8a83aa8e1133f8d837cdd3a"
_BATCH = 4096  # texts that are tokenized together
_STEPS = 7  # doublings between the finest and the coarsest row; 127 << 7 fits 15 bits
_DROPPED = re.compile("[\x0b\x0c\x1c-\x1f\x85]")  # white space to Python, nothing to BERT
_FIELDS = ("codes", "shifts", "tokenizer", "settings")
TABLE_PREFIX = "encoder"


@dataclass(frozen=True)
class StaticTable:
    """The rows of V tokens, `codes[t] * 2 ** shifts[t]`, and their tokenizer."""

    codes: npt.NDArray[np.int8]  # `[V, d]`
    shifts: npt.NDArray[np.uint8]  # `[V]`, 0 to 7
    tokenizer: bytes  # `tokenizer.json` of the library tokenizers
    settings: Mapping[str, Any] = field(default_factory=dict)  # origin of the table

    @classmethod
    def from_rows(
        cls, rows: npt.NDArray[np.floating[Any]], tokenizer: bytes, settings: Mapping[str, Any]
    ) -> StaticTable:
        """Round real rows `[V, d]` to integers; keeps their directions and relative lengths."""
        largest = np.abs(rows).max(axis=1)
        unit = max(float(largest.max()), 1e-30) / (127 << _STEPS)
        needed = np.log2(np.maximum(largest / (127 * unit), 2.0**-_STEPS))
        shifts = np.clip(np.ceil(needed), 0, _STEPS).astype(np.uint8)
        codes = np.rint(rows / (unit * 2.0 ** shifts[:, None]))
        return cls(np.clip(codes, -127, 127).astype(np.int8), shifts, tokenizer, dict(settings))

    @property
    def dimension(self) -> int:
        """Length d of a row."""
        return int(self.codes.shape[1])

    @cached_property
    def rows(self) -> npt.NDArray[np.int16]:
        """The rows of all tokens, `[V, d]`."""
        return self.codes.astype(np.int16) << self.shifts[:, None].astype(np.int16)

    @cached_property
    def sha256(self) -> str:
        """The sha256 over everything that decides a vector."""
        contents = (self.codes.tobytes(), self.shifts.tobytes(), self.tokenizer)
        digests = (hashlib.sha256(content).digest() for content in contents)
        return hashlib.sha256(b"".join(digests)).hexdigest()

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All fields as arrays, by name."""
        settings = json.dumps(dict(self.settings), sort_keys=True).encode()
        texts = (np.frombuffer(text, np.uint8) for text in (self.tokenizer, settings))
        return dict(zip(_FIELDS, (self.codes, self.shifts, *texts), strict=True))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]], where: str) -> StaticTable:
        """Make a table from `arrays()`; raise `CorruptArtifact` if they do not fit."""
        codes, shifts = arrays["codes"], arrays["shifts"]
        try:
            settings = json.loads(arrays["settings"].tobytes())
            fits = codes.dtype == np.int8 and codes.ndim == 2 and shifts.shape == codes.shape[:1]
            if not fits or not len(codes) or int(shifts.max()) > _STEPS:
                raise ValueError(f"codes {codes.dtype}{list(codes.shape)}")
        except ValueError as error:
            raise CorruptArtifact(
                f"{where}: no table of a static encoder ({error}); restore it, or build the index "
                "again"
            ) from None
        return cls(codes, shifts, arrays["tokenizer"].tobytes(), settings)

    @classmethod
    def from_model(cls, folder: Path) -> StaticTable | None:
        """Read the folder of a static model of sentence-transformers; None for any other."""
        try:
            modules = (folder / "modules.json").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None
        if "StaticEmbedding" not in modules:
            return None
        from safetensors.numpy import load_file

        path = next(folder.glob("**/model.safetensors"))
        (rows,) = load_file(path).values()
        origin = {"distilled_from": str(folder), "distilled_sha256": file_sha256(path)}
        return cls.from_rows(rows, path.with_name("tokenizer.json").read_bytes(), origin)

    def write(self, writer: ArtifactWriter) -> None:
        """Write the table into an index."""
        for name, array in self.arrays().items():
            writer.array(f"{TABLE_PREFIX}.{name}", array)

    @classmethod
    def open(cls, artifact: Artifact) -> StaticTable | None:
        """The table of an index; None if it has none."""
        if f"{TABLE_PREFIX}.codes.npy" not in artifact:
            return None
        arrays = {name: artifact.array(f"{TABLE_PREFIX}.{name}") for name in _FIELDS}
        return cls.from_arrays(arrays, str(artifact.directory))


class StaticEncoder:
    """Encodes texts by a table; see the module. `name` is recorded in the index.

    Examples:
        >>> StaticEncoder.packaged().encode(["a river", "tax law"]).shape
        (2, 96)
    """

    def __init__(self, table: StaticTable, name: str) -> None:
        self.table, self._name = table, name

    @classmethod
    def packaged(cls) -> StaticEncoder:
        """Load the table that comes with graphagg; `ModelMismatch` if the file was altered."""
        with as_file(files(__package__).joinpath(f"{PACKAGED}.npz")) as path:
            pinned_sha256(path, _PACKAGED_SHA256, "graphagg")
            with np.load(path, allow_pickle=False) as stored:
                table = StaticTable.from_arrays(stored, str(path))
        return cls(table, PACKAGED)

    @cached_property
    def spec(self) -> ModelSpec:
        """Name, sha256 and dimension of the table."""
        settings = {"dimension": self.dimension, "static": True, **self.table.settings}
        return ModelSpec(self._name, self.table.sha256, settings)

    @property
    def dimension(self) -> int:
        """Length d of a vector."""
        return self.table.dimension

    def split(self, texts: Sequence[str]) -> list[list[str]]:
        """Keep each text as one window."""
        return [[text] for text in texts]

    def encode(self, texts: Sequence[str], progress: Progress = silent) -> Vectors:
        """Embed texts as unit vectors, `[n, d]` float32; 0 for a text that it does not read."""
        vectors, done = np.empty((len(texts), self.dimension), np.float32), 0
        for ids, lengths in self._tokens(texts):
            batch = slice(done, done + len(lengths))
            vectors[batch] = _unit(_sums(self.table.rows, ids, lengths))
            done = batch.stop
            progress("encode", done, len(texts))
        vectors[~legible(self.tokenizer, texts)] = 0.0
        return vectors

    @cached_property
    def pools_sentences(self) -> bool:
        """Whether white space ends a token and belongs to none, as by the rules of BERT."""
        rules = self.tokenizer.normalizer, self.tokenizer.pre_tokenizer
        return [type(rule).__name__ for rule in rules] == ["BertNormalizer", "BertPreTokenizer"]

    def encode_passages(
        self, texts: Sequence[str], sentences: Sequence[Spans], progress: Progress = silent
    ) -> list[PassageVectors]:
        """Embed passages, one window each, and their sentences, with the vectors of `encode`.

        A passage that is cut at white space is not read twice: its sum is the sum of its sentences
        and of the text between them.
        """
        pieces, counted, bounds = _pieces(texts, sentences)
        passage = np.repeat(np.arange(len(texts)), np.diff(bounds))
        whole = np.zeros((len(texts), self.dimension), np.int64)
        vectors = np.empty((len(pieces), self.dimension), np.float32)
        done = 0
        for ids, lengths in self._tokens(pieces):
            batch = slice(done, done + len(lengths))
            sums = _sums(self.table.rows, ids, lengths)
            rows, firsts = np.unique(passage[batch], return_index=True)
            whole[rows] += np.add.reduceat(sums * counted[batch, None], firsts)
            vectors[batch] = _unit(sums)
            done = batch.stop
            progress("encode", int(rows[-1]) + 1, len(texts))
        is_illegible = ~legible(self.tokenizer, texts)
        whole[is_illegible], vectors[is_illegible[passage]] = 0, 0.0
        ends = zip(_unit(whole), bounds[1:], sentences, strict=True)
        return [PassageVectors(row[None], vectors[end - len(s) : end]) for row, end, s in ends]

    def encode_query(
        self, questions: Sequence[str], names: Sequence[str]
    ) -> tuple[Vectors, Vectors]:
        """Embed questions and names like texts of the corpus."""
        return self.encode(questions), self.encode(names)

    def _tokens(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
        """Yield the token ids of a batch, text after text, and the number of tokens per text."""
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            encoded = self.tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            lengths = np.array([len(each.ids) for each in encoded], np.int64)
            ids = np.fromiter((i for each in encoded for i in each.ids), np.int64)
            if ids.max(initial=0) >= len(self.table.codes):
                raise InvalidParameter(
                    f"static table {self._name!r}: {len(self.table.codes)} rows, its tokenizer "
                    f"gives token {ids.max()}; make the table again from this tokenizer"
                )
            yield ids, lengths

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the table; it neither truncates nor pads."""
        with needs("tokenizers", "search"):
            from tokenizers import Tokenizer
        try:
            tokenizer = Tokenizer.from_str(self.table.tokenizer.decode())
        except Exception as error:  # the library has no type of its own
            raise CorruptArtifact(
                f"static table {self._name!r}: no tokenizer ({error}); build the index again"
            ) from None
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return tokenizer


def _pieces(texts: Sequence[str], sentences: Sequence[Spans]) -> tuple[list[str], Array, Array]:
    """Cut passages into texts to tokenize: of each the text between sentences, then the sentences.

    Also returns whether each piece is part of the sum of its passage, and where passages begin.
    """
    pieces: list[str] = []
    counted, bounds = bytearray(), [0]
    for text, spans in zip(texts, sentences, strict=True):
        edges, around = [0, *spans.ravel().tolist(), len(text)], f" {text} "
        is_cut = edges == sorted(edges) and not _DROPPED.search(text)
        is_cut = is_cut and all(around[i].isspace() or around[i + 1].isspace() for i in edges)
        read = [text[start:end] for start, end in spans.tolist()]
        between = [text[start:end] for start, end in zip(edges[::2], edges[1::2], strict=True)]
        rest = [piece for piece in between if piece.strip()] or [""] if is_cut else [text]
        pieces += rest
        pieces += read if is_cut else (" ".join(piece.split()) for piece in read)
        counted += bytes([1] * len(rest) + [is_cut] * len(read))
        bounds.append(len(pieces))
    return pieces, np.frombuffer(counted, np.uint8).astype(np.int64), np.array(bounds)


def _sums(
    rows: npt.NDArray[np.int16], ids: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Sum the rows of each text's tokens exactly, `[n, d]`."""
    sums = np.zeros((len(lengths), rows.shape[1]), np.int64)
    for text, (start, end) in enumerate(pairwise(offsets(lengths).tolist())):
        rows[ids[start:end]].sum(axis=0, dtype=np.int64, out=sums[text])
    return sums


def _unit(sums: npt.NDArray[np.int64]) -> Vectors:
    """Scale sums to unit vectors, each row by itself; a sum of 0 stays 0."""
    values = sums.astype(np.float64)
    lengths = np.sqrt((values * values).sum(axis=1, keepdims=True))
    vectors: Vectors = (values / np.maximum(lengths, 1.0)).astype(np.float32)
    return vectors
