"""The Tri-Graph of LinearRAG: passages, sentences, entities, and who contains whom.

Paper: LinearRAG, arXiv 2510.10114, section on graph construction: the contain matrix C (passage x
entity) and the mention matrix M (sentence x entity). No relation is extracted, no LLM is called.

Departures from the official code, with recall@2 / recall@5 on 2WikiMultiHopQA (996 questions,
`semantics="official"`, default preset, same models; the official code: 54.3 / 70.1):

- An entity is its `entity_key`, not its exact spelling, and N_ep counts the key's words in the
  passage's words instead of substrings in its characters ("Ann" is not in "Annual"); C is weighted
  by the same N: 54.8 / 70.3.
- Entities are found in title and text apart, and the title is read as part of the first sentence
  (`Annotation.with_title`), so that no entity is "Ada Lovelace Ada Lovelace": 56.5 / 72.1. A title
  as a sentence of its own: 54.2 / 69.6. Seven variants of N, C and titles were compared, all on the
  same questions; the gain stands on both halves (even 54.4 / 69.1 to 56.2 / 70.3, odd 55.3 / 71.6
  to 56.8 / 73.9).
- Neighbouring passages are not linked: the paper has no such edge, and positions in a corpus file
  may leak which passages belong together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphagg.graph.csr import Csr
from graphagg.rag.entities import Annotation
from graphagg.rag.tokens import entity_key, tokenize
from graphagg.store import Artifact, ArtifactWriter
from graphagg.strings import StringTable


@dataclass(frozen=True)
class TriGraph:
    """Passages, sentences and entities with their incidence, each side readable by rows.

    P passages, S sentences that mention an entity (equal sentences are one), E entities. All ids
    are 0-based and int32.

    Attributes:
        keys: `[E]` entity keys, ascending by UTF-8 bytes: an entity's id is its rank.
        names: `[E]` the commonest spelling of each entity.
        sentences: `[S]` sentence texts, in order of first appearance; white space is single blanks,
            and the one new line there may be stands behind a title.
        contain: C, `[P, E]`, the entities that the extractor found in each passage; values N_ep.
        contained_in: its transpose, `[E, P]`, with the same values.
        mention: M, `[S, E]`, a pattern.
        mentioned_by: its transpose, `[E, S]`.
        occurrence: `[E, P]`, values N_ep: how often the words of an entity's key stand in a
            passage, found by the extractor there or not. A superset of `contained_in`.
    """

    keys: StringTable
    names: StringTable
    sentences: StringTable
    contain: Csr
    contained_in: Csr
    mention: Csr
    mentioned_by: Csr
    occurrence: Csr

    @property
    def passages(self) -> int:
        """P, the number of passages."""
        return self.contain.rows

    @property
    def entities(self) -> int:
        """E, the number of entities."""
        return len(self.keys)

    def find(self, text: str) -> int | None:
        """Id of the entity that `text` spells, or None."""
        return self.keys.find_sorted(entity_key(text))

    def counts(self) -> dict[str, int]:
        """Sizes for the manifest."""
        return {
            "passages": self.passages,
            "sentences": len(self.sentences),
            "entities": self.entities,
            "contain_edges": len(self.contain.indices),
            "mention_edges": len(self.mention.indices),
        }

    def save(self, writer: ArtifactWriter) -> None:
        """Write every part."""
        writer.strings("entities.key", self.keys)
        writer.strings("entities.name", self.names)
        writer.strings("sentences.text", self.sentences)
        self.contain.save(writer, "contain")
        self.contained_in.save(writer, "contained_in")
        self.mention.save(writer, "mention")
        self.mentioned_by.save(writer, "mentioned_by")
        self.occurrence.save(writer, "occurrence")

    @classmethod
    def open(cls, artifact: Artifact) -> TriGraph:
        """Map what `save` wrote."""
        keys = artifact.strings("entities.key")
        sentences = artifact.strings("sentences.text")
        passages = artifact.manifest.counts["passages"]
        return cls(
            keys,
            artifact.strings("entities.name"),
            sentences,
            Csr.open(artifact, "contain", len(keys)),
            Csr.open(artifact, "contained_in", passages),
            Csr.open(artifact, "mention", len(keys)),
            Csr.open(artifact, "mentioned_by", len(sentences)),
            Csr.open(artifact, "occurrence", passages),
        )


def build_trigraph(texts: Sequence[str], annotations: Iterable[Annotation]) -> TriGraph:
    """Build the Tri-Graph of a corpus; linear in its words.

    Args:
        texts: `[P]` the passages' full texts.
        annotations: one a text, in the same order.
    """
    spellings: dict[str, Counter[str]] = {}
    sentence_ids: dict[str, int] = {}
    contains: list[tuple[int, str]] = []
    mentions: list[tuple[int, str]] = []
    for passage, (text, annotation) in enumerate(zip(texts, annotations, strict=True)):
        for sentence, name, key in _mentions(text, annotation):
            spellings.setdefault(key, Counter())[name] += 1
            contains.append((passage, key))
            mentions.append((sentence_ids.setdefault(sentence, len(sentence_ids)), key))
    keys = sorted(spellings, key=lambda key: key.encode("utf-8"))
    ids = {key: i for i, key in enumerate(keys)}
    found = _distinct_pairs(contains, ids)
    occurrences = count_occurrences(texts, ids, found)
    contain = _with_counts(found, occurrences, (len(texts), len(keys)))
    mention_pairs = _distinct_pairs(mentions, ids)
    mention = Csr.from_pairs(
        mention_pairs[:, 0], mention_pairs[:, 1], None, (len(sentence_ids), len(keys))
    )
    return TriGraph(
        keys=StringTable.pack(keys),
        names=StringTable.pack(_commonest(spellings[key]) for key in keys),
        sentences=StringTable.pack(sentence_ids),
        contain=contain,
        contained_in=contain.transpose(),
        mention=mention,
        mentioned_by=mention.transpose(),
        occurrence=occurrences.transpose(),
    )


def _mentions(text: str, annotation: Annotation) -> Iterator[tuple[str, str, str]]:
    """Each mention of a text that has a word, as (sentence, spelling, key)."""
    sentences = iter(annotation.sentences)
    start, end = 0, 0
    for mention_start, mention_end in annotation.mentions:
        while mention_start >= end:
            start, end = next(sentences, (mention_start, len(text)))
        name = " ".join(text[mention_start:mention_end].split())
        key = entity_key(name)
        if key:
            yield _sentence(text, start, end, annotation.title_end), name, key


def _sentence(text: str, start: int, end: int, title_end: int) -> str:
    lines = (text[:title_end], text[title_end:end]) if start < title_end else (text[start:end],)
    return "\n".join(words for line in lines if (words := " ".join(line.split())))


def _commonest(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda name: (-spellings[name], name))


def _distinct_pairs(
    pairs: Iterable[tuple[int, str]], ids: Mapping[str, int]
) -> npt.NDArray[np.int32]:
    """Sorted distinct (row, entity id) pairs, `[n, 2]`."""
    array = np.array([(row, ids[key]) for row, key in pairs], dtype=np.int32).reshape(-1, 2)
    return np.unique(array, axis=0)


def count_occurrences(
    texts: Iterable[str], ids: Mapping[str, int], found: npt.NDArray[np.int32]
) -> Csr:
    """N, `[P, E]`: how often the words of each key stand side by side in each text.

    Overlapping keys all count. A pair in `found` counts at least 1: the extractor saw the entity
    there, even where the words of its surroundings run into it.
    """
    longest: dict[str, int] = {}
    for key in ids:
        words = key.split(" ")
        longest[words[0]] = max(longest.get(words[0], 0), len(words))
    counters = [_count(tokenize(text), ids, longest) for text in texts]
    for passage, entity in found.tolist():
        counters[passage].setdefault(entity, 1)
    lengths = [len(counter) for counter in counters]
    total = sum(lengths)
    rows = np.repeat(np.arange(len(counters), dtype=np.int32), lengths)
    columns = np.fromiter((e for counter in counters for e in counter), np.int32, total)
    counts = np.fromiter((n for counter in counters for n in counter.values()), np.int32, total)
    return Csr.from_pairs(rows, columns, counts, (len(counters), len(ids)))


def _count(words: list[str], ids: Mapping[str, int], longest: Mapping[str, int]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for start, word in enumerate(words):
        for end in range(start + 1, min(start + longest.get(word, 0), len(words)) + 1):
            entity = ids.get(" ".join(words[start:end]))
            if entity is not None:
                counts[entity] = counts.get(entity, 0) + 1
    return counts


def _with_counts(found: npt.NDArray[np.int32], counts: Csr, shape: tuple[int, int]) -> Csr:
    """The pairs of `found` with their values in `counts`, which holds every one of them."""
    assert counts.data is not None
    rows = np.repeat(np.arange(counts.rows, dtype=np.int64), counts.degrees())
    all_pairs = rows * max(shape[1], 1) + counts.indices
    wanted = found[:, 0].astype(np.int64) * max(shape[1], 1) + found[:, 1]
    values = counts.data[np.searchsorted(all_pairs, wanted)]
    return Csr.from_pairs(found[:, 0], found[:, 1], values, shape)
