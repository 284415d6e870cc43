"""Vectors of passages that the user brings, as a vector store has them: checked, not computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphagg.errors import InvalidParameter
from graphagg.rag.documents.passages import Passage
from graphagg.rag.models.encoder import Encoder

_COMPARED = 8  # passages that are encoded, to see whether the vectors are of the encoder
_ALIKE = 0.5  # cosine: of two models it is near 0, of two arithmetics or prompts of one near 1
_UNIT = 1e-6

Given = npt.ArrayLike | str
"""`[P, d]` in the order of the passages, or the field of each passage's row that holds its own."""


def rows_and_vectors(rows: Iterable[Any], given: Given) -> tuple[list[Any], npt.ArrayLike]:
    """The passages, and their vectors; those of a field are taken out of the rows.

    Raises:
        InvalidParameter: a row lacks the field.
    """
    kept = list(rows)
    if not isinstance(given, str):
        return kept, given
    vectors = []
    for number, row in enumerate(kept):
        if not isinstance(row, Mapping) or row.get(given) is None:
            raise InvalidParameter(f"passage {number} has no field {given!r}, wanted its vector")
        vectors.append(row[given])
        kept[number] = {name: value for name, value in row.items() if name != given}
    return kept, vectors


def checked_vectors(
    given: npt.ArrayLike, passages: Sequence[Passage], encoder: Encoder
) -> npt.NDArray[np.float32]:
    """Vectors of passages, `[P, d]`, made unit vectors.

    The first passages are encoded, and their vectors compared with what is given.

    Raises:
        InvalidParameter: the shape is another, a value is no finite number, a vector is 0, or they
            are not of this encoder.
    """
    wanted = (len(passages), encoder.dimension)
    try:
        vectors = np.array(given, np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidParameter(f"vectors are no array of numbers ({error})") from None
    if vectors.shape != wanted:
        raise InvalidParameter(
            f"vectors have the shape {list(vectors.shape)}, wanted {list(wanted)}: one a passage, "
            f"as long as those of the encoder {encoder.spec.name!r}"
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
    first = [
        windows[0]
        for windows in encoder.split(
            [passages[i].full_text for i in range(min(_COMPARED, len(passages)))]
        )
    ]
    cosines = (encoder.encode(first) * vectors[:_COMPARED]).sum(axis=1)
    if np.median(cosines) < _ALIKE:
        raise InvalidParameter(
            f"vectors are not of the encoder {encoder.spec.name!r}: the cosine to its own is "
            f"{np.median(cosines):.2f}, wanted {_ALIKE} at least; give the encoder that made them"
        )
    return vectors
