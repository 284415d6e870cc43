"""`mode="multihop"` by loops over all pairs, from the head of `graphagg.rag.config.multihop`.

It reads texts, vectors, and what the extractor finds. From the library it takes only how words are
cut, stemmed and keyed, and how vectors are rounded. It compares every passage with every question.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np

from graphagg.nearest import vectors
from graphagg.nearest.vectors import Queries, decode, encode
from graphagg.rag import MultihopConfig, Passage
from graphagg.rag.documents.analyzer import Analyzer
from graphagg.rag.documents.codes import codes
from graphagg.rag.documents.tokens import (
    TextTokens,
    entity_key,
    inner_words,
    is_capital,
    name_words,
    scan,
    transcribed,
)
from graphagg.rag.models.by_name import names_of
from tests.fakes import FakeEncoder, FakeExtractor

_LATER = -1e9  # no link, but a candidate: a later page of a title whose mentions lead nowhere
CLOSE = 2e-6  # scores that rounding may put in either order
MONTHS = {"may", "june"}  # of the corpora that are read here


class WordEncoder(FakeEncoder):
    """An encoder that also gives vectors of a question's words."""

    gives_words = True

    def encode_with_words(self, questions, words):  # type: ignore[no-untyped-def]
        return [
            (self.encode([text])[0], self.encode([text[a:b] or text for a, b in places]))
            for text, places in zip(questions, words, strict=True)
        ]


def rounded(rows: np.ndarray) -> np.ndarray:
    """Vectors as an index stores them."""
    return decode(encode(rows)).astype(float)


def products(rows: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """Products of stored vectors with one that is rounded as a question is."""
    return vectors.products(encode(rows), Queries(vector[None]))[:, 0].astype(float)


def distinct_texts(
    answer: Callable[[int], list[tuple[str, float]]], corpus: Sequence[Passage], k: int
) -> list[tuple[str, float]]:
    """The first `k` of distinct texts: more is asked for by as many as there are copies."""
    text = {passage.id: passage.text for passage in corpus}
    asked = k
    while True:
        ranked, first = answer(asked), dict[str, tuple[str, float]]()
        for name, score in ranked:
            first.setdefault(text[name], (name, score))
        if len(first) >= k or len(ranked) < asked:
            return list(first.values())[:k]
        asked = k + sum(t in first for t in text.values()) - len(first)


class Tied(Exception):
    """Two different passages have the same score, so that rounding decides."""


@dataclass(frozen=True)
class Mention:
    key: str
    start: int
    length: int
    sentence: int
    nested: bool


class Reader:
    """One passage, as it is read."""

    def __init__(self, p: Passage, encoder: FakeEncoder, extractor: FakeExtractor) -> None:
        self.passage = p
        title, text = scan(p.title), scan(p.text)
        self.title, self.words = title.words, title.words + text.words
        self.searched = self.words + inner_words(p.title) + inner_words(p.text)
        path = p.metadata.get("path", "")
        name = f"{path.removesuffix('.pdf')} {p.title.partition(' > ')[0]}"
        self.context = name_words(name) if path else []
        self.headings = [scan(h).words for h in p.title.split(" > ")[1:]] if self.context else []
        shift = len(p.full_text) - len(p.text)
        starts = [a for a, _ in title.spans] + [a + shift for a, _ in text.spans]
        self.capital = [is_capital(p.full_text[a]) for a in starts]
        self.found, sentences = set(), []
        self.codes: list[tuple[str, int, int]] = []
        self.transcribed: list[tuple[str, int, int]] = []
        for part, tokens, before in ((p.title, title, 0), (p.text, text, len(title.words))):
            for code in codes(part):
                inside = [
                    i for i, (a, b) in enumerate(tokens.spans) if a < code.end and b > code.start
                ]
                self.codes.append((code.key, before + inside[0], before + inside[-1] + 1))
                self.found |= {code.key} if code.defines else set()
        for part, tokens, before in ((p.title, title, 0), (p.text, text, len(title.words))):
            places = listed_in(part, tokens, extractor)
            self.codes += [(key, before + a, before + b) for key, a, b in places]
            self.found |= {key for key, _, _ in places}
            self.searched += other_words(places, tokens, extractor)
        for part, offset in ((p.title, 0), (p.text, shift)):
            (note,) = extractor.annotate([part])
            spans = [
                (a, b) for a, b in note.mentions if "|" not in part[a:b] and " > " not in part[a:b]
            ]
            self.found |= {entity_key(part[a:b]) for a, b in spans} - {""}
            tokens, before = (text, len(title.words)) if part is p.text else (title, 0)
            for a, b in spans:
                if (key := entity_key(transcribed(part[a:b]))) != entity_key(part[a:b]):
                    self.found.add(key)
                    last = before + sum(start < b for start, _ in tokens.spans)
                    self.transcribed.append((key, last - len(key.split(" ")), last))
            if offset or part is p.text:
                sentences = [(a + offset, b + offset) for a, b in note.sentences]
        sentences = [(a, b) for a, b in sentences if p.full_text[a:b].strip()]
        if p.title:
            sentences[0] = (0, sentences[0][1])
        self.sentence_of = [max(i for i, (a, _) in enumerate(sentences) if a <= s) for s in starts]
        before = [-1, *self.sentence_of]
        begins = [i == len(title.words) or before[i] != s for i, s in enumerate(self.sentence_of)]
        ends = [0] + [b for _, b in title.spans] + [b + shift for _, b in text.spans]
        for i, (a, b) in enumerate(zip(ends, starts, strict=False)):
            between = p.full_text[a:b]
            wide = any(x.isspace() and y.isspace() for x, y in pairwise(between))
            begins[i] |= wide or any(mark in between for mark in "\n\t|:;")
        self.begins = begins
        self.in_code = [p.full_text[:a].rpartition("\n")[2].startswith("\t") for a in starts]
        self.windows = rounded(encoder.encode(encoder.split([p.full_text])[0]))
        self.sentences = rounded(encoder.encode([p.full_text[a:b] for a, b in sentences]))
        name = p.title.partition(" > ")[0]
        base, _, tail = name.rpartition("(")
        self.pages = {entity_key(name), entity_key(base) if tail.endswith(")") else ""} - {""}
        self.links: list[Mention] = []
        self._read_links(p, text)

    def _read_links(self, p: Passage, text: TextTokens) -> None:
        """Mentions of the documents and anchors that the passage links to."""
        for target, offset in p.metadata.get("links", {}).items():
            ends = [b for _, b in text.spans]
            token = min(sum(end <= offset for end in ends), len(ends) - 1) + len(self.title)
            path, _, anchor = target.partition("#")
            bare = {"a": "*/a", "report": "*/report"}.get(path, path.removesuffix(".md"))
            for key in ([bare] if path else []) + ([f"{bare}#{anchor}"] if anchor else []):
                sentence = self.sentence_of[token]
                self.links.append(Mention(f"link:{key}", token, 1, sentence, True))
        name = p.document or p.id
        self.targets = {f"link:{name}", f"link:*/{name}"}
        if "anchors" in p.metadata:
            self.targets |= {f"link:{name}#top", "link:#top"}

    def places(self, key: str) -> list[tuple[int, int]]:
        """Where a key's words stand side by side, in the title or in the text."""
        wanted, title = key.split(" "), len(self.title)
        spans = ((i, i + len(wanted)) for i in range(len(self.words) - len(wanted) + 1))
        fitting = [(a, b) for a, b in spans if self.words[a:b] == wanted and not a < title < b]
        return sorted(
            {*fitting, *((a, b) for other, a, b in self.codes + self.transcribed if other == key)}
        )

    def is_name(self, key: str, a: int, b: int) -> bool:
        """Whether a place begins like a name, or is a code."""
        return any(self.capital[a:b]) or (key, a, b) in self.codes

    def tells_nothing(self, a: int, b: int) -> bool:
        """Whether the case of a place tells nothing."""
        return self.in_code[a] or (self.begins[a] and any(self.capital[a:b]))


def listed_in(
    text: str, tokens: TextTokens, extractor: FakeExtractor
) -> list[tuple[str, int, int]]:
    """Where a listed name or an alias stands, by its tokens; in capitals where it is written so."""
    listed, found = names_of(extractor.spec.settings), []
    for entry in listed.names if listed else ():
        if "#" in entry.name:
            digits = re.sub("#+", r"\\d+", entry.name)
            for match in re.finditer(rf"(?i)(?<!\w){digits}(?!\w)", text):
                inside = [
                    i
                    for i, (a, b) in enumerate(tokens.spans)
                    if a < match.end() and b > match.start()
                ]
                found.append(("".join(scan(match[0]).words), inside[0], inside[-1] + 1))
            continue
        for spelling in (entry.name, *entry.aliases):
            words = scan(spelling).words
            for a in range(len(tokens.words) - len(words) + 1):
                b = a + len(words)
                written = text[tokens.spans[a][0] : tokens.spans[b - 1][1]]
                if tokens.words[a:b] == words and (written.isupper() or not spelling.isupper()):
                    found.append((entity_key(entry.name), a, b))
    return found


def names_of_list(extractor: FakeExtractor) -> dict[str, str]:
    """The listed names by their keys, without patterns."""
    listed = names_of(extractor.spec.settings)
    names = [entry.name for entry in listed.names] if listed else []
    return {entity_key(name): name for name in names if "#" not in name}


def other_words(
    places: list[tuple[str, int, int]], tokens: TextTokens, extractor: FakeExtractor
) -> list[str]:
    """The words of names that aliases leave out; a passage with an alias holds them too."""
    return [
        word
        for key, a, b in places
        if key in names_of_list(extractor)
        for word in key.split(" ")
        if word not in tokens.words[a:b]
    ]


def without_aliases(text: str, extractor: FakeExtractor) -> str:
    """A text with the name in place of each alias, the longest of those that overlap."""
    tokens, listed = scan(text), names_of_list(extractor)
    places = [(a, -b, key) for key, a, b in listed_in(text, tokens, extractor) if key in listed]
    done, made = 0, ""
    for a, minus, key in sorted(places):
        begin, end = tokens.spans[a][0], tokens.spans[-minus - 1][1]
        if begin >= done:
            is_name = " ".join(tokens.words[a:-minus]) == key
            made += text[done:begin] + (text[begin:end] if is_name else listed[key])
            done = end
    return made + text[done:]


class Brute:
    """The passages that may be seen, and nothing else."""

    def __init__(
        self,
        passages: Sequence[Passage],
        encoder: FakeEncoder,
        extractor: FakeExtractor,
        config: MultihopConfig,
    ) -> None:
        self.encoder, self.extractor, self.config = encoder, extractor, config
        self.analyzer = Analyzer(str(extractor.spec.settings.get("language", "")))
        ordered = sorted(passages, key=lambda p: p.id.encode())
        self.readers = [Reader(p, encoder, extractor) for p in ordered]
        titled = {key for r in self.readers for key in r.pages}
        keys = titled | {key for r in self.readers for key in r.found}
        self.keys = {key for key in keys if self._names_something(key)}
        self.common = {key for key in self.keys if self._is_common(key)}
        self.keys -= self.common - titled
        self.titled = titled & self.keys
        self.mentions = [self._mentions(r) for r in self.readers]
        self.ties = [self._ties(r, m) for r, m in zip(self.readers, self.mentions, strict=True)]

    def _names_something(self, key: str) -> bool:
        words = key.split(" ")
        alone = len(words) == 1 and (len(key) < 2 or key in self.analyzer.stop_words)
        return len(words) <= 10 and not alone

    def _is_common(self, key: str) -> bool:
        """Written in lower case more often than with a capital inside a sentence."""
        lower = inside = 0
        for r in self.readers:
            for a, b in r.places(key):
                if a >= len(r.title):
                    lower += not (r.is_name(key, a, b) or r.in_code[a])
                    inside += r.is_name(key, a, b) and not r.tells_nothing(a, b)
        return lower > inside

    # --- entities --------------------------------------------------------------------------------

    def _mentions(self, r: Reader) -> list[Mention]:
        """Leftmost-longest, and titles inside longer names."""
        places = sorted(
            (a, a - b, key)
            for key in self.keys
            for a, b in r.places(key)
            if a >= len(r.title) and r.is_name(key, a, b)
            if not (key in self.common and r.tells_nothing(a, b))
        )
        found, outer_start, outer_end, nested_end = [], -1, 0, 0
        for start, minus, key in places:
            outer = start >= outer_end or (start, start - minus) == (outer_start, outer_end)
            nested = key in self.titled and start >= nested_end
            if outer:
                outer_start, outer_end = start, start - minus
            if nested:
                nested_end = start - minus
            if outer or nested:
                found.append(Mention(key, start, -minus, r.sentence_of[start], not outer))
        return found + r.links

    def _ties(self, r: Reader, mentions: list[Mention]) -> dict[str, str]:
        """How the passage is tied to each entity: the strongest way."""
        ties = {m.key: "shared" for m in mentions}
        in_title = [k for k in self.keys if any(b <= len(r.title) for _, b in r.places(k))]
        ties |= {key: "title" for key in in_title if key.count(" ") < 6}
        ties |= {m.key: "lead" for m in mentions if m.start == len(r.title) and not m.nested}
        linked = {m.key for other in self.readers for m in other.links}
        ties |= {key: "page" for key in r.targets & linked}
        return ties | {key: "page" for key in r.pages & self.keys}

    def idf(self, key: str) -> float:
        n = len(self.readers)
        df = sum(key in ties for ties in self.ties)
        return math.log(n / max(df, 1)) / math.log(n) if n > 1 else 1.0

    # --- the question ----------------------------------------------------------------------------

    def _read(self, question: str) -> None:
        question = without_aliases(question, self.extractor)
        tokens = scan(question)
        words, spans = tokens.words, tokens.spans
        capital = [is_capital(question[a]) for a, _ in spans]
        tied = {key for ties in self.ties for key in ties}
        names = []
        for spelled in (words, scan(transcribed(question)).words):
            for a in range(len(words)):
                for b in range(len(words), a, -1):
                    fits = any(capital[a:b]) or not any(capital[1:])
                    if fits and " ".join(spelled[a:b]) in tied:
                        names.append((a, -b, " ".join(spelled[a:b])))
        for code in codes(question):
            inside = [i for i, (a, b) in enumerate(spans) if a < code.end and b > code.start]
            if code.key in tied:
                names.append((inside[0], -inside[-1] - 1, code.key))
        listed = listed_in(question, tokens, self.extractor)
        names += [(a, -b, key) for key, a, b in listed if key in tied]
        named, begin, end = [], -1, 0
        for a, minus, key in sorted(names, key=lambda name: name[:2]):
            if a >= end or (a, -minus) == (begin, end):
                named.append(key)
                begin, end = a, -minus
        self.named = list(dict.fromkeys(named))
        is_name = capital if any(capital[1:]) else [True] * len(words)
        joined = [
            "".join(words[a : a + n])
            for n in (2, 3)
            for a in range(len(words) - n + 1)
            if all(is_name[a : a + n])
            if any("".join(words[a : a + n]) in r.context for r in self.readers)
        ]
        self.terms = self.analyzer.content([*words, *inner_words(question), *joined])
        (self.vector,) = self.encoder.encode([question])
        stems = [self.analyzer.stem(word) for word in words]
        whole = {*map(self.analyzer.stem, joined)}
        self.capitals = {
            t
            for t in self.terms
            if (capital[stems.index(t)] if t in stems else t in whole) or any(map(str.isdigit, t))
        }  # written like a name
        places = [spans[stems.index(t)] if t in stems else (0, len(question)) for t in self.terms]
        texts = self.encoder.encode([question[a:b] for a, b in places])
        self.words = dict(zip(self.terms, texts, strict=True))

    def _bm25(self, texts: list[list[str]], k1: float, b: float) -> list[float]:
        """Over the sum of idf; the term weights are kept. A context counts once, without length."""
        counts = [Counter(map(self.analyzer.stem, words)) for words in texts]
        for r, c in zip(self.readers, counts, strict=True):
            c |= Counter({*map(self.analyzer.stem, r.context)})
        mean = sum(map(len, texts)) / len(texts) or 1.0
        idf = {}
        for term in self.terms:
            df = sum(term in c for c in counts)
            idf[term] = math.log(1 + (len(texts) - df + 0.5) / (df + 0.5))
        total = sum(idf.values()) or 1.0
        self.weights = {term: value / total for term, value in idf.items()}
        return [
            sum(
                self.weights[t] * c[t] / (c[t] + k1 * (1 - b + b * len(words) / mean))
                for t in self.terms
            )
            for c, words in zip(counts, texts, strict=True)
        ]

    # --- scores ----------------------------------------------------------------------------------

    def _direct(self) -> list[float]:
        """F of every passage; `self.prior` orders the pool."""
        w = self.config.passage
        lexical = self._bm25([r.searched for r in self.readers], 1.2, 0.75)
        self.held = [
            {*self.terms} & {self.analyzer.stem(x) for x in (*r.searched, *r.context)}
            for r in self.readers
        ]
        self.document = self._documents()
        names = len(self.named) or 1
        vectors = [float(products(r.windows, self.vector).max()) for r in self.readers]
        self.near = [a + b for a, b in zip(vectors, lexical, strict=True)]
        direct, self.prior, self.page_of = [], [], []
        for i, (r, ties) in enumerate(zip(self.readers, self.ties, strict=True)):
            titled = [k for k in self.named if ties.get(k) == "page"]
            titles = [self.idf(k) * self._share_of_title(i, k) for k in titled]
            words = w.lexical * lexical[i] + w.title * bool(titles)
            words += self.config.document * self.document[i]
            direct.append(
                w.similarity * vectors[i]
                + w.sentence * float(products(r.sentences, self.vector).max())
                + w.lexical * lexical[i]
                + w.title * max(titles, default=0.0)
                + w.entities * sum(self.idf(key) for key in self.named if key in ties) / names
            )
            self.prior.append(words + (w.similarity + w.sentence) * vectors[i])
            pages = {m.key for m in self.mentions[i] if m.start == len(r.title) and not m.nested}
            pages |= {k for k, tie in ties.items() if tie == "page"}
            self.page_of.append({k for k in self.named if k in pages and self.idf(k)})
        return direct

    def _headings(self) -> list[float]:
        """How much of its headings the question holds, apart from names of documents."""
        context = {self.analyzer.stem(x) for r in self.readers for x in r.context}
        shares, names = [], context & self.capitals
        for r in self.readers:
            above = [{*map(self.analyzer.stem, h)} for h in r.headings]
            words = [len({*h}) for h in r.headings]
            sizes = [
                min((n for n, h in zip(words, above, strict=True) if t in h), default=None)
                for t in self.terms
                if t not in names
            ]
            share = sum(1 / (1 + n) for n in sizes if n)
            shares.append(share / (1 + share))
        return shares

    def _documents(self) -> list[float]:
        """How rare the names in the question are that stand in the names of each document."""
        of = [{self.analyzer.stem(x) for x in r.context} for r in self.readers]
        firsts = [c for c, r in zip(of, self.readers, strict=True) if r.passage.position == 0]
        count = max(len(firsts), 2)
        df = {t: max(sum(t in c for c in firsts), 1) for t in self.terms}
        named = [c & self.capitals for c in of]
        rarity = [sum(math.log(count / df[t]) for t in c) / math.log(count) for c in named]
        first = [x for x, r in zip(rarity, self.readers, strict=True) if r.passage.position == 0]
        alike = sum(x >= 0.79 * max(rarity) for x in first)
        sure = min(count ** (2 * max(rarity) - 2), 1) / max(alike, 1)
        headings = zip(rarity, self._headings(), strict=True)
        return [sure * (r + 2 * min(r, 1) * h) if r else 0.0 for r, h in headings]

    def _share_of_title(self, i: int, key: str, document: str = "") -> float:
        """1 / r^2 of the r-th closest of the pages of a title; those that are alike have one r.

        Pages in the document of the passage that leads on are none that it leads to.
        """
        mine, more = self.near[i], set[float]()
        for j, ties in enumerate(self.ties):
            if ties.get(key) != "page" or self._is_of(j, document):
                continue
            if abs(self.near[j] - mine) < CLOSE:
                if not self._same(i, j):
                    raise Tied
            elif self.near[j] > mine:
                more.add(round(self.near[j], 6))
        return 1.0 / (1 + len(more)) ** 2

    def _is_of(self, q: int, document: str) -> bool:
        """Whether a passage is a chunk of a document; "" is none."""
        return bool(document) and self.readers[q].passage.document == document

    def _link_to(self, q: int, key: str, document: str) -> float | None:
        """The link through an entity to a passage, from a document; None where there is none."""
        if (tie := self._tie(q, key)) is None:
            return None
        link = self._link(key, tie)
        if (
            tie != "page"
            or link is None
            or (share := self._share_of_title(q, key, document)) == 1.0
        ):
            return link
        mention = self._link(key, "shared")
        return _LATER if mention is None else mention + (link - mention) * share

    def _tie(self, q: int, key: str) -> str | None:
        """How a link through an entity ends: a longer form of a name of two words leads too."""
        ends, tie = key.split(" "), self.ties[q].get(key)
        for longer, how in self.ties[q].items():
            words = longer.split(" ")
            is_longer = 3 <= len(words) <= 5 and [words[0], words[-1]] == ends
            if is_longer and how in ("page", "lead") and tie != "page":
                return "lead"
        return tie

    def _bridges(self, p: int) -> dict[str, float]:
        """Entities that lead on from a passage, and what the closest sentence adds."""
        r, values = self.readers[p], dict[str, float]()
        for m in self.mentions[p]:
            similar = max(0.0, float(products(r.sentences, self.vector)[m.sentence]))
            values[m.key] = max(values.get(m.key, 0.0), self.config.link.sentence * similar)
        for key, tie in self.ties[p].items():
            if tie == "title":
                values.setdefault(key, 0.0)
        return {
            key: added
            for key, added in values.items()
            if self.ties[p][key] != "page" and key not in self.named
        }

    def _link(self, key: str, tie: str) -> float | None:
        """Kind and slope of a link; None where there is none."""
        few = sum(key in ties for ties in self.ties) <= self.config.most_passages
        date = all(w in MONTHS or re.fullmatch(r"\d+(st|nd|rd|th|s)?", w) for w in key.split(" "))
        if tie != "page" and (date or not few):
            return None
        if key.startswith("link:"):
            if tie != "page":
                return None
            tie = "reference"
        name = "shared" if tie == "title" else tie
        kind, slope = getattr(self.config.link, name)
        if self.chain and name in ("page", "shared"):
            kind += self.config.link.chain[name == "shared"]
        value = kind + slope * self.idf(key)
        return value if value > -5 else None  # switched off

    def _similar(self, p: int, q: int) -> float | None:
        kind, slope = self.config.link.similar
        first = self.readers[p].windows[0]
        value = kind + slope * float(products(self.readers[q].windows, first).max())
        return value if value > -5 else None

    def _paths(
        self, front: list[int], handed: dict[int, float], direct: list[float], pool: Sequence[int]
    ) -> list[float]:
        """The best path from the front to each passage."""
        c, best = self.config, [-math.inf] * len(direct)
        for p in front:
            document = self.readers[p].passage.document
            others = {q for q in range(len(self.ties)) if q != p and not self._is_of(q, document)}
            links = [
                (q, link + added, self._rest(p, q, key))
                for key, added in self._bridges(p).items()
                for q in sorted(others)
                if (link := self._link_to(q, key, document)) is not None
            ]
            rests = [rest for _, link, rest in links if link > _LATER / 2]
            mean = sum(rests) / max(len(rests), 1)
            paths = [(q, link, rest - mean) for q, link, rest in links]
            paths += [
                (q, link, 0.0)
                for q in pool
                if q in others and (link := self._similar(p, q)) is not None
            ]
            for q, link, rest in paths:
                alone = max(self._share(self.held[p]), self._share(self.held[q]))
                joint = self._share(self.held[p] | self.held[q]) - alone
                value = _LATER if link < _LATER / 2 else handed[p] * (c.inherited + link)
                value += c.joint_coverage * joint + c.open_terms * rest
                best[q] = max(best[q], value + c.target * direct[q])
        return best

    def _rest(self, p: int, q: int, key: str) -> float:
        """How close q, where it mentions an entity, is to the words that p does not hold."""
        open_ = [self.words[t] for t in self.terms if t not in self.held[p]] or [self.vector]
        rest = np.sum(open_, axis=0, dtype=np.float64)
        near = products(self.readers[q].sentences, rest)
        mentions = [m.sentence for m in self.mentions[q] if m.key == key]
        return float((near[mentions] if mentions else near).max()) / math.sqrt(rest @ rest)

    def _share(self, terms: set[str]) -> float:
        return sum(self.weights[t] for t in terms)

    # --- choosing --------------------------------------------------------------------------------

    def _best(self, score: Sequence[float], among: Sequence[int], count: int) -> list[int]:
        """The `count` largest, of equals the lowest id; raises `Tied` where rounding decides."""
        order = sorted(among, key=lambda i: (-round(score[i], 9), i))
        for i, j in islice(pairwise(order), count):
            if abs(score[i] - score[j]) < CLOSE and not self._same(i, j):
                raise Tied
        return order[:count]

    def _same(self, i: int, j: int) -> bool:
        a, b = self.readers[i].passage, self.readers[j].passage
        return (a.text, a.title) == (b.text, b.title)

    def _pool(self, k: int) -> list[int]:
        everything = range(len(self.readers))
        pool = self._best(self.prior, everything, max(k, self.config.pool))
        titled = [i for i in everything if any(self.ties[i].get(n) == "page" for n in self.named)]
        return sorted({*pool, *self._best(self.prior, titled, 20)})

    def answer(self, question: str, k: int) -> list[tuple[str, float]]:
        """Ids and scores, best first."""
        self._read(question)
        c, direct = self.config, self._direct()
        pool = self._pool(k)
        candidates, score = set(pool), list(direct)
        above = [c.document * value for value in self.document]
        front = self._best([*map(sum, zip(direct, above, strict=True))], sorted(candidates), c.beam)
        documents = [r.passage.document for r in self.readers]
        of_front = {documents[p] for p in front} - {""}
        others = [i for i in pool if documents[i] in of_front and i not in front]
        front = [*front, *self._best(direct, others, 8)]  # a document leads on as one
        handed = {p: direct[p] for p in front}
        pages = [p for p in front if self.page_of[p]]
        for p in pages if c.equal_pages else ():
            handed[p] = max(direct[x] for x in pages)
        for name in of_front:
            chunks = [p for p in front if documents[p] == name]
            handed |= dict.fromkeys(chunks, max(handed[p] for p in chunks))
        most = max(self._share(self.held[i]) for i in pool)
        if abs(most - 0.9) < CLOSE:
            raise Tied
        handed = {p: value * (1 - c.answered * max(most - 0.9, 0.0)) for p, value in handed.items()}
        walked: set[int] = set()
        asks = re.findall(r"(?i)\b(who|which|where|what|when|how)\b", question)
        for near in (pool, ()):
            walked |= {*front}
            self.chain = False
            paths = self._paths(front, handed, direct, near)
            candidates |= {q for q, value in enumerate(paths) if value > -math.inf}
            held = max(self._share(self.held[i]) for i in candidates)
            if len(asks) > 1 and " or " not in question:
                self.chain = held < 0.7
                paths = self._paths(front, handed, direct, near)
                if abs(held - 0.7) < CLOSE:
                    raise Tied
            raised = [q for q, value in enumerate(paths) if value > score[q]]
            for q in raised:
                score[q] = paths[q]
            fresh = [q for q in raised if q not in walked]
            front = self._best([*map(sum, zip(score, above, strict=True))], fresh, c.second_beam)
            handed = {p: score[p] for p in front}
        coverage = c.coverage * (c.unnamed if not self.named and most < 0.9 else 1.0)
        return self._choose(score, sorted(candidates), k, coverage)

    def _choose(
        self, f: list[float], left: list[int], k: int, coverage: float
    ) -> list[tuple[str, float]]:
        c, chosen = self.config, []
        held: set[str] = set()
        sides: set[str] = set()
        while left and len(chosen) < k:
            total = list(f)
            for i in left:
                total[i] += coverage * self._share(self.held[i] - held)
                total[i] += c.document * self.document[i]
                total[i] += c.named_page * sum(map(self.idf, self.page_of[i] - sides))
            (i,) = self._best(total, left, 1)
            chosen.append((self.readers[i].passage.id, total[i]))
            left.remove(i)
            held, sides = held | self.held[i], sides | self.page_of[i]
        return chosen
