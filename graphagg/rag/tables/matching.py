"""Finds all occurrences of all keys in the tokens of passages, with a hash table; compiled.

The hash of a key's words selects the slot that stores the key's number. Token sequences are looked
up by the same hash and compared byte for byte. The table takes 8 to 16 bytes per key.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from graphagg.arrays import Array
from graphagg.kernels import kernel
from graphagg.rag.tables.mentions import CAPITAL, INITIAL, TITLE
from graphagg.store.strings import StringTable

_FEWEST = 16  # minimum number of slots
_EMPTY = -1
OPENS, CODE = 2, 4


class TokenRows(NamedTuple):
    """The t tokens of p passages; V distinct words.

    Attributes:
        data, ends: the words as a string table: `[B]` uint8, `[V + 1]` int64.
        words: `[t]` int32, the word of each token.
        bounds: `[p + 1]` int64, offsets of the tokens of each passage.
        titles: `[p]` int32, number of title tokens.
        sentence: `[t]` int32, index of each token's sentence in its passage.
        case: `[t]` uint8 flags: 1 if the token begins like a name, `OPENS` where a capital has no
            meaning, `CODE` in code, where case has no meaning.
    """

    data: Array
    ends: Array
    words: Array
    bounds: Array
    titles: Array
    sentence: Array
    case: Array


class KeysOfRows(NamedTuple):
    """Keys of each of p passages, from its title or from the extractor.

    Attributes:
        bounds: `[p + 1]` int64, offsets of the keys of each passage.
        key: `[n]` int32, numbers of keys.
        flags: `[n]` uint8, added to the flags of a mention of the key.
        start, length: `[n]` int32, token range of a key from the extractor, or 0.
    """

    bounds: Array
    key: Array
    flags: Array
    start: Array
    length: Array


class KeyTable(NamedTuple):
    """A hash table of keys, by their words.

    Attributes:
        slots: `[C]` int32, the number of a key, or -1; C is a power of 2.
        longest: `[C]` uint16, maximum number of words of keys whose first word has this slot.
        data, ends: the keys as a string table.
    """

    slots: Array
    longest: Array
    data: Array
    ends: Array


def key_table(keys: StringTable) -> KeyTable:
    """Build the hash table of some keys; their words are separated by single spaces."""
    size = _FEWEST
    while size < 2 * len(keys):
        size *= 2
    slots, longest = np.full(size, _EMPTY, np.int32), np.zeros(size, np.uint16)
    table = KeyTable(slots, longest, keys.data, keys.offsets)
    _fill(table)
    return table


def find_mentions(
    table: KeyTable, tokens: TokenRows, titled: KeysOfRows, named: KeysOfRows
) -> Array:
    """Find the mentions of all keys in some passages, in the order of the gazetteer.

    Returns `[m, 6]` int32: row, key, start, length, sentence and flags. Keys of `named` may
    be inside a run of text without spaces.
    """
    hashes = np.empty(len(tokens.ends) - 1, np.uint64)
    _hash_words(tokens.data, tokens.ends, hashes)
    records = _find(table, tokens, hashes, titled, named)
    row, key, start, length = records.T[:4]
    return np.ascontiguousarray(records[np.lexsort((key, -length, start, row))])


@kernel(small=True)
def _hash_words(data: Array, ends: Array, hashes: Array) -> None:
    """Compute the 64-bit FNV-1a hash of each word."""
    for i in range(len(hashes)):
        hashes[i] = _hash_word(data, ends[i], ends[i + 1])


@kernel
def _hash_word(data: Array, begin: int, end: int) -> Any:
    value = np.uint64(14695981039346656037)
    for j in range(begin, end):
        value = (value ^ np.uint64(data[j])) * np.uint64(1099511628211)
    return value


@kernel
def _joined(value: Any, word: Any) -> Any:
    """Extend the hash of some words by one more word."""
    return value * np.uint64(11400714819323198485) + word


@kernel
def _slot(value: Any, size: int) -> Any:
    """Return the first slot of a hash in a table, from its better mixed upper bits."""
    mixed = (value ^ (value >> np.uint64(32))) * np.uint64(14029467366897019727)
    return np.int64((mixed >> np.uint64(20)) & np.uint64(size - 1))


@kernel(small=True)
def _fill(table: KeyTable) -> None:
    """Insert every key at the first free slot from the slot of its hash on (linear probing)."""
    slots, longest, data, ends = table
    size = len(slots)
    for key in range(len(ends) - 1):
        value: Any = np.uint64(0)
        words, begin, first = 0, ends[key], np.int64(0)
        for j in range(ends[key], ends[key + 1] + 1):
            if j == ends[key + 1] or data[j] == 32:
                word = _hash_word(data, begin, j)
                value, begin = _joined(value, word), j + 1
                if words == 0:
                    first = _slot(word, size)
                words += 1
        longest[first] = max(longest[first], words)
        slot = _slot(value, size)
        while slots[slot] != -1:
            slot = (slot + 1) & (size - 1)
        slots[slot] = key


@kernel
def _is_key(table: KeyTable, key: int, tokens: TokenRows, begin: int, end: int) -> bool:
    """Return whether the tokens from `begin` to `end`, joined by spaces, are a key."""
    at, last = table.ends[key], table.ends[key + 1]
    for token in range(begin, end):
        word = tokens.words[token]
        if token > begin:
            if at >= last or table.data[at] != 32:
                return False
            at += 1
        for j in range(tokens.ends[word], tokens.ends[word + 1]):
            if at >= last or table.data[at] != tokens.data[j]:
                return False
            at += 1
    return bool(at == last)


@kernel(small=True)
def _find(
    table: KeyTable, tokens: TokenRows, hashes: Array, titled: KeysOfRows, named: KeysOfRows
) -> Array:
    """Find the mentions for `find_mentions`, in the order of rows and tokens."""
    size = len(table.slots)
    records, count = np.empty((1024, 6), np.int32), 0
    is_matched = np.zeros(len(named.key), np.bool_)
    for row in range(len(tokens.titles)):
        first, last = tokens.bounds[row], tokens.bounds[row + 1]
        title_end = first + tokens.titles[row]
        for begin in range(first, last):
            # A key is in the title or in the text; it never spans both.
            end_of_part = title_end if begin < title_end else last
            word = hashes[tokens.words[begin]]
            most = min(np.int64(table.longest[_slot(word, size)]), end_of_part - begin)
            value: Any = np.uint64(0)
            for end in range(begin + 1, begin + most + 1):
                value = _joined(value, hashes[tokens.words[end - 1]])
                key = _look_up(table, tokens, begin, end, value)
                if key >= 0:
                    flags = _flags_of(tokens, begin, end, title_end)
                    if begin < title_end:
                        flags |= _of_title(titled, row, key)
                    flags |= _match(named, is_matched, row, key, begin - first, end - begin)
                    records = _put(records, count, row, key, begin - first, end - begin)
                    records[count, 4], records[count, 5] = tokens.sentence[begin], flags
                    count += 1
        for i in range(named.bounds[row], named.bounds[row + 1]):
            if not is_matched[i]:  # part of a run without spaces, or a code with several tokens
                begin = first + named.start[i]
                flags = named.flags[i]
                flags |= _flags_of(tokens, begin, begin + named.length[i], title_end)
                if begin < title_end:
                    flags |= _of_title(titled, row, named.key[i])
                records = _put(records, count, row, named.key[i], named.start[i], named.length[i])
                records[count, 4], records[count, 5] = tokens.sentence[begin], flags
                count += 1
    return records[:count].copy()


@kernel
def _look_up(table: KeyTable, tokens: TokenRows, begin: int, end: int, value: Any) -> int:
    """Return the key of the tokens from `begin` to `end`, given their hash; -1 if none."""
    size = len(table.slots)
    slot = _slot(value, size)
    while table.slots[slot] != -1:
        if _is_key(table, table.slots[slot], tokens, begin, end):
            return int(table.slots[slot])
        slot = (slot + 1) & (size - 1)
    return -1


@kernel
def _of_title(titled: KeysOfRows, row: int, key: int) -> int:
    """Return the flags of a mention of a key in the title of a row."""
    flags = 0
    for i in range(titled.bounds[row], titled.bounds[row + 1]):
        if titled.key[i] == key:
            flags |= titled.flags[i]
    return flags


@kernel
def _match(
    named: KeysOfRows, is_matched: Array, row: int, key: int, start: int, length: int
) -> int:
    """Mark the extractor's keys at exactly this position; return their flags, or 0."""
    flags = 0
    for i in range(named.bounds[row], named.bounds[row + 1]):
        if named.start[i] == start and named.length[i] == length and named.key[i] == key:
            is_matched[i] = True
            flags |= named.flags[i]
    return flags


@kernel
def _flags_of(tokens: TokenRows, begin: int, end: int, title_end: int) -> int:
    """Return flags of a position: in the title, like a name, and whether case has a meaning."""
    if begin < title_end:
        return TITLE | CAPITAL
    flags = INITIAL if tokens.case[begin] & CODE else 0
    for token in range(begin, end):
        if tokens.case[token] & 1:
            is_first = begin == title_end or tokens.sentence[begin] != tokens.sentence[begin - 1]
            opens = is_first or tokens.case[begin] & OPENS
            return CAPITAL | INITIAL if opens else CAPITAL | flags
    return flags


@kernel
def _put(records: Array, count: int, row: int, key: int, start: int, length: int) -> Array:
    """Append a record of a match; the caller fills in its sentence and flags."""
    if count == len(records):
        more = np.empty((2 * count, records.shape[1]), records.dtype)
        for i in range(count):  # numba takes seconds to compile a slice copy
            for j in range(records.shape[1]):
                more[i, j] = records[i, j]
        records = more
    records[count, 0], records[count, 1] = row, key
    records[count, 2], records[count, 3] = start, length
    return records
