"""Make the table of a static encoder from any sentence-transformers model.

1. The model encodes every token of the vocabulary alone between special tokens: V vectors.
2. They are centered and rotated to their principal axes; the first d axes are kept.
3. Each vector is weighted with a / (a + p), where p is the frequency of the token: frequent tokens
   have little meaning (Arora et al. 2017, smooth inverse frequency). p is estimated from the
   token's rank in the vocabulary, which tokenizers order by frequency (Zipf's law).

This is the recipe of Model2Vec (Tulkens and van Dongen, 2024), from its description. The packaged
table: `python -m benchmarks.retrieval.static_table all-MiniLM-L6-v2 TABLE.npz --dimension 96`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter
from graphagg.rag.models.weights import load

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DIMENSION = 256
_SMOOTHING = 1e-5  # a in the weights; chosen on the first halves of two sets
_BATCH = 1024  # tokens per batch
_STEPS = 7  # doublings between the finest and the coarsest row; 127 << 7 fits 15 bits


def table_of(
    model: SentenceTransformer, origin: dict[str, str], dimension: int = DIMENSION
) -> dict[str, Any]:
    """Make the table of a loaded model: `codes`, `shifts`, `tokenizer` and `settings`.

    Args:
        model: a model with a fast tokenizer.
        origin: settings of the table: the model that it is made from.
        dimension: maximum of d; the model's dimension if that is smaller.
    """
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InvalidParameter(
            f"encoder {origin['distilled_from']!r}: its tokenizer has no tokenizer.json, so no "
            "static table can be made from it; use a model with a fast tokenizer"
        )
    usable = _usable(model.tokenizer)
    vectors = _token_vectors(model, usable)
    rows = np.zeros((len(model.tokenizer), min(dimension, vectors.shape[1])))
    frequencies = 1.0 / np.arange(2, len(usable) + 2)  # Zipf's law
    weights = _SMOOTHING / (_SMOOTHING + frequencies / frequencies.sum())
    rows[usable] = principal(vectors, rows.shape[1]) * weights[:, None]
    codes, shifts = rounded(rows)
    texts = (backend.to_str().encode(), json.dumps(origin, sort_keys=True).encode())
    tokenizer, settings = (np.frombuffer(text, np.uint8) for text in texts)
    return {"codes": codes, "shifts": shifts, "tokenizer": tokenizer, "settings": settings}


def rounded(
    rows: npt.NDArray[np.floating[Any]],
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.uint8]]:
    """Round real rows `[V, d]` to integers; preserve their directions and relative lengths."""
    largest = np.abs(rows).max(axis=1)
    unit = max(float(largest.max()), 1e-30) / (127 << _STEPS)
    needed = np.log2(np.maximum(largest / (127 * unit), 2.0**-_STEPS))
    shifts = np.clip(np.ceil(needed), 0, _STEPS).astype(np.uint8)
    codes = np.rint(rows / (unit * 2.0 ** shifts[:, None]))
    return np.clip(codes, -127, 127).astype(np.int8), shifts


def principal(vectors: npt.NDArray[np.float64], dimension: int) -> npt.NDArray[np.float64]:
    """Project vectors `[n, D]`, centered, on their first d principal axes, `[n, d]`."""
    centered = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    kept: npt.NDArray[np.float64] = centered @ axes[:, ::-1][:, :dimension]
    return kept


def _usable(tokenizer: Any) -> npt.NDArray[np.int64]:
    """Return the ids of tokens that occur in texts: neither special nor unused tokens."""
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
    parser.add_argument("table", type=Path, help="the .npz file to write")
    parser.add_argument("--dimension", type=int, default=DIMENSION)
    options = parser.parse_args()
    model, sha256 = load(options.model, None)
    origin = {"distilled_from": options.model, "distilled_sha256": sha256}
    np.savez_compressed(options.table, **table_of(model, origin, options.dimension))


if __name__ == "__main__":
    main()
