"""Make the table of a static encoder from any sentence-transformers model.

1. The model encodes every token of the vocabulary alone between special tokens: V vectors.
2. They are centered and rotated to their principal axes; the first d axes are kept.
3. Each vector is weighted by a / (a + p) with the frequency p of the token: frequent tokens say
   little (Arora et al. 2017, smooth inverse frequency). p follows from the token's rank in the
   vocabulary, which tokenizers order by frequency (Zipf's law).

This is the recipe of Model2Vec (Tulkens and van Dongen, 2024), from its description. The packaged
table: `python -m benchmarks.retrieval.static_table all-MiniLM-L6-v2 TABLE.npz --dimension 96`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter
from graphagg.rag.models.static.encoder import StaticTable
from graphagg.rag.models.weights import load

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DIMENSION = 256
_SMOOTHING = 1e-5  # a of the weights; chosen on the first halves of two sets
_BATCH = 1024  # tokens per batch


def table_of(
    model: SentenceTransformer, origin: dict[str, str], dimension: int = DIMENSION
) -> StaticTable:
    """Make the table of a loaded model.

    Args:
        model: with a fast tokenizer.
        origin: settings of the table: the model it is made from.
        dimension: d at most; the model's own if that is less.
    """
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InvalidParameter(
            f"encoder {origin['distilled_from']!r}: its tokenizer has no tokenizer.json, so no "
            "static table can be made of it; use a model with a fast tokenizer"
        )
    usable = _usable(model.tokenizer)
    vectors = _token_vectors(model, usable)
    rows = np.zeros((len(model.tokenizer), min(dimension, vectors.shape[1])))
    frequencies = 1.0 / np.arange(2, len(usable) + 2)  # Zipf's law
    weights = _SMOOTHING / (_SMOOTHING + frequencies / frequencies.sum())
    rows[usable] = principal(vectors, rows.shape[1]) * weights[:, None]
    return StaticTable.from_rows(rows, backend.to_str().encode(), origin)


def principal(vectors: npt.NDArray[np.float64], dimension: int) -> npt.NDArray[np.float64]:
    """Project vectors `[n, D]`, centered, on their first d principal axes, `[n, d]`."""
    centered = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    kept: npt.NDArray[np.float64] = centered @ axes[:, ::-1][:, :dimension]
    return kept


def _usable(tokenizer: Any) -> npt.NDArray[np.int64]:
    """Ids of the tokens that occur in texts: neither special nor unused ones."""
    special = set(tokenizer.all_special_ids)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    ids = [
        token_id
        for token_id, token in enumerate(tokens)
        if token is not None and token_id not in special and not token.startswith("[unused")
    ]
    return np.array(ids, np.int64)


def _token_vectors(
    model: SentenceTransformer, ids: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Encode each token alone between the special tokens of a text, `[n, D]`."""
    import torch

    empty = model.tokenizer("")["input_ids"]
    around = model.tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    before = around.index(0) if 0 in around else len(empty)
    inputs = np.empty((len(ids), len(empty) + 1), np.int64)
    inputs[:, :before], inputs[:, before + 1 :] = empty[:before], empty[before:]
    inputs[:, before] = ids
    vectors = []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(ids), _BATCH):
            batch = torch.from_numpy(inputs[start : start + _BATCH]).to(model.device)
            features: Any = {"input_ids": batch, "attention_mask": torch.ones_like(batch)}
            vectors.append(model(features)["sentence_embedding"].double().cpu().numpy())
    return np.concatenate(vectors)


def main() -> None:
    """Make the table of the model on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", help="a sentence-transformers name or path")
    parser.add_argument("table", type=Path, help="the .npz file that is written")
    parser.add_argument("--dimension", type=int, default=DIMENSION)
    options = parser.parse_args()
    model, sha256 = load(options.model, None)
    origin = {"distilled_from": options.model, "distilled_sha256": sha256}
    np.savez_compressed(options.table, **table_of(model, origin, options.dimension).arrays())


if __name__ == "__main__":
    main()
