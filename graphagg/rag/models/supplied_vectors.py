"""Check vectors that the caller supplies with the passages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.encoder import Encoder
from graphagg.rag.models.encoding.center import centered

_COMPARED = 8  # passages that are encoded to compare their vectors
_ALIKE = 0.5  # cosine: near 0 for two models, near 1 for two dtypes or prompts of one model
_UNIT = 1e-6

SuppliedVectors = npt.ArrayLike | str
"""`[P, d]` in the order of the passages, or the field of each passage's row with its vector."""


def rows_and_vectors(
    rows: Iterable[Any], vectors: SuppliedVectors
) -> tuple[list[Any], npt.ArrayLike]:
    """Split rows into passages and vectors; raise `InvalidParameter` if a row lacks its vector."""
    passages = list(rows)
    if not isinstance(vectors, str):
        return passages, vectors
    for position, row in enumerate(passages):
        if not isinstance(row, Mapping) or row.get(vectors) is None:
            raise InvalidParameter(
                f"passage {position} has no field {vectors!r}, wanted its vector"
            )
    plain = [{name: row[name] for name in row if name != vectors} for row in passages]
    return plain, [row[vectors] for row in passages]


def checked_vectors(
    supplied: npt.ArrayLike, passages: Sequence[Passage], encoder: Encoder
) -> npt.NDArray[np.float32]:
    """Check vectors of passages, `[P, d]`, against the encoder, and scale them to unit length.

    Raises `InvalidParameter` for another shape, a vector that is 0 or not finite, or vectors of
    another encoder.
    """
    shape = (len(passages), encoder.dimension)
    try:
        vectors = np.array(supplied, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"vectors are no array of numbers ({error})") from None
    if vectors.shape != shape:
        raise InvalidParameter(
            f"vectors have the shape {list(vectors.shape)}, wanted {list(shape)}: one per passage, "
            f"of the dimension of the encoder {encoder.spec.name!r}"
        )
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(lengths[:, 0]) & (lengths[:, 0] > 0)))
    if len(bad):
        name = passages[int(bad[0])].id
        raise InvalidParameter(
            f"the vector of passage {name!r} is 0 or not finite ({len(bad)} are); correct it"
        )
    others = np.abs(lengths[:, 0] - 1) > _UNIT  # unit vectors keep their bits
    vectors[others] /= lengths[others]
    windows = encoder.split([passage.full_text for passage in passages[:_COMPARED]])
    encoded = encoder.encode([first for first, *_ in windows])
    is_read = encoded.any(axis=1)  # else the encoder gives 0, which carries no information
    if not is_read.any():
        return vectors

    def closeness(vectors: npt.NDArray[np.float32]) -> float:
        return float(np.median((encoded * vectors[:_COMPARED]).sum(axis=1)[is_read]))

    # A vector store may contain vectors of the encoder from before they are centered.
    opened = centered(vectors, getattr(encoder, "center", None))
    vectors = max(vectors, opened, key=closeness)
    if closeness(vectors) < _ALIKE:
        raise InvalidParameter(
            f"vectors are not of the encoder {encoder.spec.name!r}: the cosine to its own is "
            f"{closeness(vectors):.2f}, wanted {_ALIKE} at least; give the encoder that made them"
        )
    return vectors
