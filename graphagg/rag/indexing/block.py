"""Compute the arrays of a block of passages; they depend only on the passages and the models.

`block_of` computes sentences, names, words and vectors; `mentions_of_block` finds all occurrences
of the names of all blocks.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property

import numpy as np

from graphagg.arrays import Array, Ints, narrow, offsets, read_only
from graphagg.kernels import kernel
from graphagg.nearest.vectors import encode
from graphagg.progress import Progress, renamed
from graphagg.rag.documents.analyzer import Analyzers
from graphagg.rag.documents.languages import CODES, language_of_text
from graphagg.rag.documents.passages import Passage
from graphagg.rag.documents.tokens import is_capital
from graphagg.rag.documents.user_names import ListedNames
from graphagg.rag.models.by_name import ByLanguage, Models, WithNames, names_of
from graphagg.rag.models.encoder import Encoder, checked, pools_sentences
from graphagg.rag.models.extractor import Annotation, EntityExtractor
from graphagg.rag.tables.gazetteer import kind_of, or_of
from graphagg.rag.tables.lexicon import HEADING, NAME
from graphagg.rag.tables.matching import CODE, OPENS, KeysOfRows, KeyTable, TokenRows, find_mentions
from graphagg.rag.tables.mentions import (
    RowTokens,
    found_keys,
    linked_keys,
    openers,
    title_keys,
    tokens_of_code,
)
from graphagg.rag.tables.segments import Ragged, sentence_text
from graphagg.store.strings import StringTable

Arrays = dict[str, Array]
"""The arrays of a block by name. If a name begins with `s0.`, `lexicon.` or `gazetteer.`, the file
of this name is the concatenation of the arrays of all blocks. The vectors `WINDOWS` and `SENTENCES`
become FAISS files."""
WINDOWS, SENTENCES = "vectors.windows", "vectors.sentences"


def block_of(passages: Sequence[Passage], models: Models, progress: Progress) -> Arrays:
    """Annotate and encode a block of passages."""
    notes = list(annotate(passages, models.extractor, progress))
    listed = names_of(models.extractor.spec.settings)
    block = Block(passages, notes, Analyzers(models.language), listed)
    windows, vectors = encoded(passages, block.sentences, models.encoder, progress)
    return block.arrays(windows, vectors)


def annotate(
    passages: Sequence[Passage], extractor: EntityExtractor, progress: Progress
) -> Iterator[Annotation]:
    """Find entities in titles and texts separately, then combine them."""
    texts = [text for passage in passages for text in passage.parts]
    extractor = extractor.inner if isinstance(extractor, WithNames) else extractor
    if isinstance(extractor, ByLanguage):  # a title is too short to detect its language
        each = [(language_of_text(passage.full_text), len(passage.parts)) for passage in passages]
        codes = [code for code, count in each for _ in range(count)]
        notes = extractor.annotate_in(texts, codes)
    else:
        notes = extractor.annotate(texts)
    for count, passage in enumerate(passages, start=1):
        title = next(notes) if passage.title else None
        text = next(notes).shifted(len(passage.full_text) - len(passage.text))
        yield _whole(text if title is None else text.with_title(title), passage)
        progress("entities", count, len(passages))


def _whole(annotation: Annotation, passage: Passage) -> Annotation:
    """Return an annotation without empty sentences, but with at least one sentence."""
    sentences = tuple((a, b) for a, b in annotation.sentences if passage.full_text[a:b].strip())
    everything = ((0, len(passage.full_text)),)
    return Annotation(sentences or everything, annotation.mentions, annotation.title_end)


class Block:
    """Sentences, tokens, names and words of a block of passages.

    `notes` are the annotations of the passages, `listed` the user's list of names, if any.
    `sentences` and `entities` hold the bounds of sentences, and of entities from the extractor.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        notes: Sequence[Annotation],
        analyzers: Analyzers,
        listed: ListedNames | None = None,
    ) -> None:
        self._analyzers, self._listed = analyzers, listed
        self.sentences = _spans(note.sentences for note in notes)
        self.entities = _spans(note.mentions for note in notes)
        self._words, self._keys = _numbering(), _numbering()
        self._tokens, self._lengths, self._titles = array("i"), array("q"), array("i")
        self._sentence, self._case = array("i"), bytearray()
        self._inner, self._inner_rows = array("i"), array("i")
        self._context, self._context_rows = array("i"), array("i")
        self._headings, self._heading_rows = array("i"), array("i")
        self._heading_sizes = array("i")
        self._languages = bytearray()
        self._titled, self._named = array("i"), array("i")
        for row, (passage, note) in enumerate(zip(passages, notes, strict=True)):
            self._add(row, passage, note)

    def _add(self, row: int, passage: Passage, note: Annotation) -> None:
        """Append a passage to the columns; words and keys are numbered within the block."""
        tokens, text = RowTokens.of(passage, self._listed), passage.full_text
        word_number, key_number = self._words.__getitem__, self._keys.__getitem__
        self._tokens.extend(map(word_number, tokens.words))
        self._lengths.append(len(tokens.words))
        self._titles.append(tokens.titles)
        begins = [start for start, _ in tokens.spans]
        sentence = np.searchsorted(self.sentences.row(row)[:, 0], begins, side="right") - 1
        self._sentence.frombytes(np.maximum(sentence, 0).astype(np.int32).tobytes())
        case = bytearray(is_capital(text[begin]) for begin in begins)
        for token in openers(text, begins):
            case[token] |= OPENS
        for token in tokens_of_code(text, begins):
            case[token] |= CODE
        self._case += case
        self._inner.extend(map(word_number, tokens.inner))
        self._inner_rows.extend([row] * len(tokens.inner))
        self._context.extend(map(word_number, tokens.context))
        self._context_rows.extend([row] * len(tokens.context))
        self._headings.extend(map(word_number, tokens.headings))
        self._heading_rows.extend([row] * len(tokens.headings))
        self._heading_sizes.extend(tokens.headings.values())
        if self._analyzers.is_mixed:
            self._languages.append(CODES.index(language_of_text(text)))
        for name, flags in title_keys(passage.title).items():
            self._titled.extend((row, key_number(name), flags))
        for f in (*found_keys(tokens, text, note.mentions), *linked_keys(passage, tokens)):
            self._named.extend((row, key_number(f.key), f.start, f.length, f.flags))

    def arrays(self, windows: Ragged, sentence_vectors: Array) -> Arrays:
        """Return all arrays of the block, given vectors of its windows and sentences `[S, ...]`.

        Words, keys and terms are sorted by their UTF-8 bytes.
        """
        return {
            "s0.sentences.bounds": self.sentences.bounds,
            SENTENCES: sentence_vectors,
            "s0.sentences": narrow(self.sentences.values),
            "s0.found.bounds": self.entities.bounds,
            "s0.found": narrow(self.entities.values),
            "s0.windows.bounds": windows.bounds,
            WINDOWS: windows.values,
            **self.names(),
            **self._postings(),
        }

    @cached_property
    def _ordered(self) -> tuple[list[str], Array]:
        """The distinct words, sorted, and the rank of each word by its number."""
        return _sorted(self._words)

    def names(self) -> Arrays:
        """Return only the arrays of tokens and names."""
        words, word_of = self._ordered
        keys, key_of = _sorted(self._keys)
        rows = len(self._lengths)
        titled = _ints(self._titled).reshape(-1, 3)
        mentions = _ints(self._named).reshape(-1, 5)
        return {
            **string_arrays("words", words),
            "tokens": word_of[_ints(self._tokens)],
            "tokens.bounds": offsets(np.array(self._lengths, np.int64)),
            "token.sentence": _ints(self._sentence),
            "token.case": np.frombuffer(bytes(self._case), np.uint8),
            "gazetteer.title_tokens": narrow(_ints(self._titles)),
            **string_arrays("keys", keys),
            "keys.kind": np.array([kind_of(key.split(" "), self._analyzers) for key in keys],
                                  np.uint8),
            "titled.bounds": offsets(np.bincount(titled[:, 0], minlength=rows)),
            "titled.key": key_of[titled[:, 1]], "titled.flags": titled[:, 2].astype(np.uint8),
            "named.bounds": offsets(np.bincount(mentions[:, 0], minlength=rows)),
            "named.key": key_of[mentions[:, 1]], "named.flags": mentions[:, 4].astype(np.uint8),
            "named.start": mentions[:, 2], "named.length": mentions[:, 3],
        }  # fmt: skip

    def _postings(self) -> Arrays:
        """Return the stems of the block, and the passages that contain each stem.

        Counts and lengths do not include words of the context.
        """
        words, word_of = self._ordered
        tokens = word_of[_ints(self._tokens)]
        lengths = np.array(self._lengths, np.int64)
        count = len(lengths)
        rows, own = np.repeat(np.arange(count), lengths), len(tokens) + len(self._inner)
        more = map(_ints, (self._inner, self._context, self._headings))
        every = np.concatenate([tokens, *(word_of[words] for words in more)])
        more = map(_ints, (self._inner_rows, self._context_rows, self._heading_rows))
        of_row = np.concatenate([rows, *more])
        language = np.frombuffer(bytes(self._languages), np.uint8)
        if not self._analyzers.is_mixed:
            language = np.zeros(count, np.uint8)
        spellings, spelling = np.unique(
            language[of_row].astype(np.int64) * max(len(words), 1) + every, return_inverse=True
        )
        codes, word = (each.tolist() for each in divmod(spellings, max(len(words), 1)))
        stems = [
            self._analyzers.for_language(CODES[code]).stem(words[i])
            for code, i in zip(codes, word, strict=True)
        ]
        stem_numbers = _numbering()
        stem_of = np.fromiter(map(stem_numbers.__getitem__, stems), np.int64, len(stems))
        terms, term_of = _sorted(stem_numbers)
        code = term_of[stem_of][spelling].astype(np.int64) * max(count, 1) + of_row
        codes, posting = np.unique(code, return_inverse=True)
        counts = np.bincount(posting[:own], minlength=len(codes))
        term, row = divmod(codes, max(count, 1))
        names, headings = np.split(posting[own:], [len(self._context)])
        shortest, context = np.full(len(codes), HEADING), np.zeros(len(codes), np.uint8)
        np.minimum.at(shortest, headings, _ints(self._heading_sizes))
        context[headings] = shortest[headings]
        context[names] |= NAME
        languages = {"lexicon.languages": language} if self._analyzers.is_mixed else {}
        return languages | {
            **string_arrays("terms", terms),
            "postings.bounds": offsets(np.bincount(term, minlength=len(terms))),
            "postings.row": row.astype(np.int32),
            "postings.context": context,
            "postings.count": narrow(np.minimum(counts, 65_535)),
            "lexicon.lengths": np.bincount(of_row[:own], minlength=count).astype(np.int32),
        }


def _spans(spans: Iterable[Iterable[Sequence[int]]]) -> Ragged:
    """Collect the `(start, end)` pairs of each passage, 8 bytes per pair."""
    values, bounds = array("i"), array("q", [0])
    for row in spans:
        for pair in row:
            values.extend(pair)
        bounds.append(len(values) // 2)
    return Ragged(np.frombuffer(bounds, np.int64), _ints(values).reshape(-1, 2))


def _numbering() -> defaultdict[str, int]:
    """Return a dict that numbers strings in the order of their first lookup."""
    numbering: defaultdict[str, int] = defaultdict()
    numbering.default_factory = numbering.__len__
    return numbering


def _sorted(numbering: dict[str, int]) -> tuple[list[str], Array]:
    """Sort strings by their UTF-8 bytes; return them, and the int32 rank of each by number."""
    ordered = sorted(numbering, key=str.encode)
    ranks = np.empty(len(ordered), np.int32)
    order = np.fromiter(map(numbering.__getitem__, ordered), np.int64, len(ordered))
    ranks[order] = np.arange(len(ordered))
    return ordered, ranks


def string_arrays(name: str, strings: Iterable[str]) -> Arrays:
    """Return the two arrays of a string table."""
    table = StringTable.pack(strings)
    return {f"{name}.utf8": table.data, f"{name}.offsets": table.offsets}


def _ints(values: array[int]) -> Array:
    return np.frombuffer(values, np.int32) if values else np.zeros(0, np.int32)


COLUMNS = ("row", "key", "start", "length", "sentence", "flags")


def mentions_of_block(array: Callable[[str], Array], table: KeyTable, ranks: Array) -> Arrays:
    """Find the mentions of all keys of `table` in a block, as the arrays of `mention_arrays`.

    `array` returns an array of the block by its name; `ranks` has the rank of each of its keys
    among all keys.
    """
    names = ("words.utf8", "words.offsets", "tokens", "tokens.bounds", "gazetteer.title_tokens",
             "token.sentence", "token.case")  # fmt: skip
    tokens = TokenRows(*(read_only(array(name)) for name in names))
    key, none = array("titled.key"), np.zeros(len(array("titled.key")), np.int32)
    titled = KeysOfRows(array("titled.bounds"), ranks[key], array("titled.flags"), none, none)
    columns = (array(f"named.{name}") for name in ("flags", "start", "length"))
    extracted = KeysOfRows(array("named.bounds"), ranks[array("named.key")], *columns)
    records = find_mentions(
        KeyTable(*map(read_only, table)), tokens,
        KeysOfRows(*map(read_only, titled)), KeysOfRows(*map(read_only, extracted)),
    )  # fmt: skip
    return mention_arrays(records)


def mention_arrays(records: Array) -> Arrays:
    """Return the mentions of a block as columns, and its pairs of a key and a row.

    `records` `[m, 6]` holds the `COLUMNS` of each mention, ordered by row. The P pairs are ordered
    by key and row: `pairs.key` `[k]`, the distinct keys; `pairs.union` `[k]`, the flags of all
    mentions of a key; `pairs.bounds` `[k + 1]`; `pairs.row`, `pairs.count` and `pairs.flags` `[P]`.
    """
    row, key, start, length, sentence, flags = records.T
    by_pair = by_key(key)
    pair_key, pair_row = key[by_pair], row[by_pair]
    begins = _begins(pair_key, pair_row)
    count = np.diff(np.append(begins, len(key)))
    pair_flags = or_of(flags[by_pair].astype(np.uint8), count)
    columns = row, key, start, length.astype(np.uint8), sentence, flags.astype(np.uint8)
    pairs = pair_key[begins], pair_row[begins], count, pair_flags
    return dict(zip(COLUMNS, columns, strict=True)) | pair_arrays(*pairs)


def pair_arrays(key: Array, row: Array, count: Array, flags: Array) -> Arrays:
    """Return the pair arrays of `mention_arrays`; the input `[P]` is sorted by key and row."""
    first = _begins(key)
    bounds = np.append(first, len(key)).astype(np.int64)
    return {
        "pairs.key": key[first].astype(np.int32), "pairs.union": or_of(flags, np.diff(bounds)),
        "pairs.bounds": bounds, "pairs.row": row.astype(np.int32), "pairs.count": narrow(count),
        "pairs.flags": flags,
    }  # fmt: skip


def by_key(keys: Array) -> Ints:
    """Return the stable order of entries by their keys, which start at 0. O(n + keys)."""
    order = np.empty(len(keys), np.int64)
    _place(read_only(np.ascontiguousarray(keys)), offsets(np.bincount(keys)), order)
    return order


@kernel(small=True)
def _place(keys: Array, places: Array, order: Array) -> None:
    """Counting sort: write entry `i` to the next free place of its key, `places[keys[i]]`."""
    for i in range(len(keys)):
        order[places[keys[i]]] = i
        places[keys[i]] += 1


def _begins(*columns: Array) -> Ints:
    """Return the start of each run of equal entries."""
    changes = [column[1:] != column[:-1] for column in columns]
    begins = np.ones(len(columns[0]), np.bool_)
    begins[1:] = np.logical_or.reduce(changes)
    return np.flatnonzero(begins)


BLOCK = 65_536
"""Texts that are encoded at once, sorted by length; limits the memory of float32 vectors."""
_PASSAGES = 8_192  # number of passages that are encoded at once, with their sentences


def encoded(
    passages: Sequence[Passage], sentences: Ragged, encoder: Encoder, progress: Progress
) -> tuple[Ragged, Array]:
    """Encode the windows of passages, and their sentences (bounds `[S, 2]`), in stored form."""
    texts = [passage.full_text for passage in passages]
    if not pools_sentences(encoder):
        split = encoder.split(texts)
        pieces = [text for of_passage in split for text in of_passage]
        windows = _encoded_texts(pieces, encoder, renamed(progress, "windows"))
        each = [
            sentence_text(passage, start, end)
            for row, passage in enumerate(passages)
            for start, end in sentences.row(row).tolist()
        ]
        vectors = _encoded_texts(each, encoder, renamed(progress, "sentences"))
        bounds = offsets(list(map(len, split)))
        return Ragged(bounds, np.concatenate(windows)), np.concatenate(vectors)
    lengths, windows, vectors = list[int](), list[Array](), list[Array]()
    for start in range(0, len(passages), _PASSAGES):
        some = range(start, min(start + _PASSAGES, len(passages)))
        spans = [sentences.row(row) for row in some]
        report = renamed(progress, "passages")
        pooled = encoder.encode_passages(texts[start : some.stop], spans, report)
        of_sentences = np.concatenate([p.sentences for p in pooled])
        vectors.append(encode(checked(encoder, of_sentences, sum(map(len, spans)))))
        lengths += [len(p.windows) for p in pooled]
        of_windows = np.concatenate([p.windows for p in pooled])
        windows.append(encode(checked(encoder, of_windows, len(of_windows))))
    return Ragged(offsets(lengths), np.concatenate(windows)), np.concatenate(vectors)


def _encoded_texts(texts: Sequence[str], encoder: Encoder, progress: Progress) -> list[Array]:
    blocks = (texts[start : start + BLOCK] for start in range(0, len(texts) or 1, BLOCK))
    return [encode(checked(encoder, encoder.encode(b, progress), len(b))) for b in blocks]
