"""One scale of similarity for any encoder: subtract the common direction of its vectors.

The vectors of many encoders lie in a narrow cone: two unrelated texts have a cosine of .4
(bge-small-en-v1.5) or .73 (e5-small-v2), a question and its passage .1 to .2 more, but the
constants of the formula were chosen for .03. We subtract the mean vector of a few texts on many
subjects. They are the same for every index, so a vector depends on its text alone.

Source: Mu and Viswanath, All-but-the-Top, arXiv 1702.01417, of which only the mean is taken.
"""

from __future__ import annotations

import hashlib

import numpy as np

from graphagg.rag.models.encoding.pooling import Vectors, unit

_NARROW = 0.2  # mean cosine of the texts, above which their mean is taken out
TEXTS = """\
The river rises in the mountains and flows north through three provinces before it reaches the sea.
Add the chopped onions to the hot oil, stir for five minutes, then pour in the stock.
To reset your password, open the settings page and choose the link that is sent by mail.
Her second novel tells the story of a family of sailors over four generations.
A function that calls itself must have a case in which it stops; otherwise the stack overflows.
Photosynthesis turns light, water and carbon dioxide into sugar and oxygen in the leaves of plants.
The film was shot in Lisbon in the spring of 1962 and received mixed reviews.
The engine makes a grinding noise when it is cold; the dealer says that the belt is worn.
Volcanic ash closed the airports of four countries, and thousands of travelers slept in the halls.
The orchestra opened the season with a symphony that had not been played since 1911.
Children under six travel free of charge, and students pay half of the normal fare.
The vaccine must be kept below eight degrees and used within a month of delivery.
The store is open from nine to six on weekdays and closed on public holidays.
A recursive query over a table of employees lists all people below a given manager.
Unemployment fell to five percent, but wages have hardly grown since the crisis.
The dog should be walked twice a day and must not be fed from the table.
""".splitlines()


def center_of(vectors: Vectors) -> Vectors | None:
    """The mean of the unit vectors `[n, d]` of `TEXTS`; None if they lie in no narrow cone."""
    mean: Vectors = vectors.mean(axis=0)
    count = len(vectors)
    cosine = (count * float(mean @ mean) - 1) / (count - 1)  # over pairs of different texts
    return mean if cosine > _NARROW else None


def centered(vectors: Vectors, center: Vectors | None) -> Vectors:
    """Unit vectors `[n, d]` without the center; 0, of a text that is not read, stays 0."""
    if center is None:
        return vectors
    return np.where(vectors.any(axis=1, keepdims=True), unit(vectors - center), np.float32(0.0))


def centered_sha256(sha256: str) -> str:
    """Identity of a model whose vectors are centered."""
    return hashlib.sha256("\n".join([sha256, *TEXTS]).encode()).hexdigest()
