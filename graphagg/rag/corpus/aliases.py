"""Suggest names that may mean the same, for a user to review and pass as `names`.

Three signs: a text writes "site reliability engineering (SRE)"; a name in capitals is the initials
of another name of its passage; or two names of six letters and more differ in spaces alone, or in
one letter between the first and the last three, and one is rare and in no passage of the other.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations

import numpy as np

from graphagg.rag.documents.tokens import tokenize
from graphagg.rag.documents.user_names import ListedName
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.gazetteer import DATE, LINKABLE, Gazetteer, Speller

_DEFINED = re.compile(r"((?:[^\W\d_][\w'&-]*\s+){2,9})\(([A-Z][A-Z&-]{1,8})s?\)")
_SMALL = frozenset("a an and at by de del der des du et for in la le of on the to und".split())
# Letters of a name with variants; how many times as many passages as a wrong spelling's hold the
# right one, at least.
MIN_LETTERS, MIN_RATIO = 6, 5


def suggested_names(snapshot: PassageSnapshot) -> list[ListedName]:
    """Names with their other spellings, as entries of a list of names; each spelling once."""
    g, speller = snapshot.gazetteer, Speller(snapshot.corpus, snapshot.gazetteer)
    pairs = [pair for pair, _ in Counter(_defined(snapshot)).most_common()]
    names = {key: e for e, key in enumerate(g.keys) if g.kind[e] & (LINKABLE | DATE) == LINKABLE}
    for pair_of_ids in (*_of_initials(g, names), *_variants(g, names)):
        name, alias = (speller.spelling(e, int(g.row[g.pairs(e)][0])) for e in pair_of_ids)
        pairs += [(name, alias)] if alias.isupper() or len(alias) >= MIN_LETTERS else []
    aliases, used = defaultdict[str, list[str]](list), dict[tuple[str, ...], str]()
    for name, alias in pairs:
        key, other = tuple(tokenize(name)), tuple(tokenize(alias))
        if other not in (key, *used) and used.setdefault(key, name) == name:
            used[other] = name
            aliases[name].append(alias)
    return [ListedName(name, tuple(others)) for name, others in aliases.items()]


def _defined(snapshot: PassageSnapshot) -> Iterator[tuple[str, str]]:
    """Pairs that texts define: a name, and its initials in parentheses after it."""
    for row in np.flatnonzero(snapshot.alive).tolist():
        for match in _DEFINED.finditer(snapshot.corpus.read(row).full_text):
            words = match[1].split()
            for first in range(len(words) - 2, -1, -1):
                if words[first].lower() not in _SMALL and _initials(words[first:]) == match[2]:
                    yield " ".join(words[first:]), match[2]


def _initials(words: Iterable[str]) -> str:
    """The first letters of some words in capitals, without small words."""
    return "".join(word[0].upper() for word in words if word.lower() not in _SMALL)


def _of_initials(g: Gazetteer, names: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Pairs of names in one passage, of which the second is the initials of the first."""
    for key, entity in names.items():
        initials = names.get(_initials(words := key.split(" ")).lower())
        if 3 <= len(words) <= 6 and initials is not None:
            if np.intersect1d(g.row[g.pairs(entity)], g.row[g.pairs(initials)]).size:
                yield entity, initials


def _variants(g: Gazetteer, names: Mapping[str, int]) -> Iterator[tuple[int, int]]:
    """Pairs of names with similar spelling, the one of more passages first."""
    joined = ((key.replace(" ", ""), entity) for key, entity in names.items())
    plain = sorted(each for each in joined if len(each[0]) >= MIN_LETTERS and each[0].isalpha())
    by_part = defaultdict[str, list[int]](list)  # names by their letters, also without one of them
    for i, (key, _) in enumerate(plain):
        for part in {key, *(key[:j] + key[j + 1 :] for j in range(3, len(key) - 3))}:
            by_part[part].append(i)
    for i, j in sorted({pair for some in by_part.values() for pair in combinations(some, 2)}):
        (key, first), (other, second) = plain[i], plain[j]
        pair = sorted((first, second), key=lambda e: -np.diff(g.pair_bounds)[e])
        rows = [g.row[g.pairs(entity)] for entity in pair]
        is_typo = len(rows[0]) >= MIN_RATIO * len(rows[1]) and _one_edit(key, other)
        if key == other or (is_typo and not np.intersect1d(rows[0], rows[1]).size):
            yield pair[0], pair[1]


def _one_edit(key: str, other: str) -> bool:
    """Whether two keys differ in one letter, or one of them has one letter more."""
    short, long = sorted((key, other), key=len)
    both = enumerate(zip(short, long, strict=False))
    same = next((i for i, (a, b) in both if a != b), len(short))
    return short[same + (len(short) == len(long)) :] == long[same + 1 :]
