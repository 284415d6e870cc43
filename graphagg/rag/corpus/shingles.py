"""MinHash signatures of texts, as sets of shingles: runs of words in any case and spacing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import blake2b
from itertools import chain

import numpy as np
import numpy.typing as npt

from graphagg.arrays import Array, offsets, ranges
from graphagg.graph.csr import Csr
from graphagg.minhash.signatures import Hashes, HashFamily, mix, signatures

_SEED = 1
_WORD = re.compile("[0-9a-z\x80-\U0010ffff]+")
_FACTORS = 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53


def text_signatures(texts: Sequence[str], length: int, permutations: int) -> tuple[Array, Array]:
    """Signatures `[n, permutations]` uint16, and a mask `[n]` of the texts with a word.

    A shingle is `length` words, or all words of a shorter text, by its 64-bit hash.
    """
    words = [_WORD.findall(text.casefold()) for text in texts]
    counts = np.array(list(map(len, words)), np.int64)
    numbers = {word: _hash_of(word) for word in {*chain.from_iterable(words)}}
    units = np.array([numbers[word] for word in chain.from_iterable(words)], np.uint64)
    sizes = np.where(counts > 0, np.maximum(counts - length + 1, 1), 0)
    ends, text = np.cumsum(counts), np.repeat(np.arange(len(texts)), sizes)
    begins, state = ranges(ends - counts, sizes), np.zeros(len(text), np.uint64)
    for place in range(length):
        inside = begins + place < ends[text]
        state[inside] = _mixed(state[inside] + units[begins[inside] + place])
    tokens = mix((state >> np.uint64(32)).astype(np.uint32))
    rows = Csr(offsets(sizes), np.arange(len(state), dtype=np.int32), None, len(state))
    family = Hashes.of(tokens, False, HashFamily(permutations, _SEED))
    return signatures(rows, family), counts > 0


def _hash_of(word: str) -> int:
    digest = blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A bijection of 64 bits that spreads neighboring values (the finalizer of MurmurHash3)."""
    for factor in _FACTORS:
        values = (values ^ (values >> np.uint64(33))) * np.uint64(factor)
    return values ^ (values >> np.uint64(33))
