"""Making the table of a static encoder out of any sentence-transformers model.

1. Every token of the vocabulary is read by the model, alone between its special tokens: V vectors.
2. They are centered and rotated to their principal axes, of which the first d are kept.
3. Each is weighted by a / (a + p), where p is how often the token occurs: frequent tokens say
   little (Arora et al. 2017, smooth inverse frequency). p follows from the token's place in the
   vocabulary, which tokenizers order by frequency (Zipf's law).

That is Model2Vec's recipe (Tulkens and van Dongen, 2024), from its description. A table of a model
is made once a user and kept in the cache folder, by the sha256 of the model's weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphagg.checks import integer
from graphagg.errors import InvalidParameter
from graphagg.progress import Progress, silent
from graphagg.rag.models.static.encoder import StaticEncoder, StaticTable
from graphagg.rag.models.vector_cache import default_folder
from graphagg.rag.models.weights import DEFAULT_ENCODER, load

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DIMENSION = 256
_REVISION = 1  # raised when the same model gives another table
_SMOOTHING = 1e-5  # a of the weights; chosen on first halves of two sets
_BATCH = 1024  # tokens that are read together


def distilled(model: str, device: str | None = None) -> StaticEncoder:
    """The static encoder of a model: its table is made unless it is in the cache.

    Args:
        model: a sentence-transformers name or path.
        device: where the model runs.

    Raises:
        MissingExtra: sentence-transformers or the default model is not installed.
        InvalidParameter: there is no such model.
    """
    loaded, sha256 = load(model, device)
    path = default_folder() / "static" / f"{sha256[:32]}-{DIMENSION}-{_REVISION}.npz"
    if path.is_file():
        return StaticEncoder(StaticTable.load(path), model)
    table = table_of(loaded, {"distilled_from": model, "distilled_sha256": sha256})
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_name(f"{path.name}.new")
    table.save(whole)
    whole.replace(path)
    return StaticEncoder(table, model)


def distill(
    model: str = DEFAULT_ENCODER,
    dimension: int = DIMENSION,
    device: str | None = None,
    progress: Progress = silent,
) -> StaticTable:
    """The table of a model; raises what `distilled` raises.

    Args:
        model: a sentence-transformers name or path.
        dimension: d at most; the model's own where that is less.
        device: where the model runs.
        progress: called with stage, done, total.
    """
    loaded, sha256 = load(model, device)
    origin = {"distilled_from": model, "distilled_sha256": sha256}
    return table_of(loaded, origin, dimension, progress)


def table_of(
    model: SentenceTransformer,
    origin: dict[str, str],
    dimension: int = DIMENSION,
    progress: Progress = silent,
) -> StaticTable:
    """The table of a loaded model; a static model's own table is taken as it is.

    Args:
        model: with a fast tokenizer, or a static one.
        origin: what the table's settings say of it.
        dimension: d at most; the model's own where that is less.
        progress: called with stage, done, total.
    """
    integer("dimension", dimension, 1)
    given = _static_rows(model)
    if given is not None:
        rows, tokenizer = given
        return StaticTable.of(rows, tokenizer, origin)
    backend = getattr(model.tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InvalidParameter(
            f"encoder {origin['distilled_from']!r}: its tokenizer has no tokenizer.json, so no "
            "static table can be made of it; use a model with a fast tokenizer"
        )
    usable = _usable(model.tokenizer)
    vectors = _token_vectors(model, usable, progress)
    rows = np.zeros((len(model.tokenizer), min(dimension, vectors.shape[1])))
    weights = _SMOOTHING / (_SMOOTHING + _zipf(len(usable)))
    rows[usable] = principal(vectors, rows.shape[1]) * weights[:, None]
    return StaticTable.of(rows, backend.to_str().encode(), origin)


def principal(vectors: npt.NDArray[np.float64], dimension: int) -> npt.NDArray[np.float64]:
    """Vectors `[n, D]`, centered, by their first principal axes; `[n, d]`."""
    centered = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)
    kept: npt.NDArray[np.float64] = centered @ axes[:, ::-1][:, :dimension]
    return kept


def _zipf(count: int) -> npt.NDArray[np.float64]:
    """How often each of so many tokens occurs, the most frequent first; sums to 1."""
    shares: npt.NDArray[np.float64] = 1.0 / np.arange(2, count + 2)
    shares /= shares.sum()
    return shares


def _usable(tokenizer: Any) -> npt.NDArray[np.int64]:
    """Ids of the tokens that a text may have: no special and no unused ones."""
    special = set(tokenizer.all_special_ids)
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    ids = [
        number
        for number, token in enumerate(tokens)
        if token is not None and number not in special and not token.startswith("[unused")
    ]
    return np.array(ids, np.int64)


def _token_vectors(
    model: SentenceTransformer, ids: npt.NDArray[np.int64], progress: Progress
) -> npt.NDArray[np.float64]:
    """The model's vector of each token, alone between the special tokens of a text; `[n, D]`."""
    import torch

    empty = model.tokenizer("")["input_ids"]
    around = model.tokenizer("a", return_special_tokens_mask=True)["special_tokens_mask"]
    before = around.index(0) if 0 in around else len(empty)
    inputs = np.empty((len(ids), len(empty) + 1), np.int64)
    inputs[:, :before], inputs[:, before + 1 :] = empty[:before], empty[before:]
    inputs[:, before] = ids
    found = []
    model.eval()
    with torch.inference_mode():
        for start in range(0, len(ids), _BATCH):
            batch = torch.from_numpy(inputs[start : start + _BATCH]).to(model.device)
            features: Any = {"input_ids": batch, "attention_mask": torch.ones_like(batch)}
            found.append(model(features)["sentence_embedding"].double().cpu().numpy())
            progress("tokens", min(start + _BATCH, len(ids)), len(ids))
    return np.concatenate(found)


def _static_rows(model: SentenceTransformer) -> tuple[npt.NDArray[np.float64], bytes] | None:
    """Rows and tokenizer of a static model of sentence-transformers; None of any other."""
    from sentence_transformers.sentence_transformer import modules

    first = model[0]
    if not isinstance(first, modules.StaticEmbedding):
        return None
    rows = first.embedding.weight.detach().double().cpu().numpy()
    return rows, first.tokenizer.to_str().encode()
