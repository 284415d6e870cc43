"""`PassageIndex`: build, open and ask a Tri-Graph passage index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any

import numpy as np

from graphagg.errors import ArtifactError, InvalidParameter, InvalidQuestion
from graphagg.manifest import Manifest
from graphagg.progress import Progress, renamed, silent
from graphagg.rag.config import MODES, Mode, RetrievalConfig
from graphagg.rag.dense import DenseIndex
from graphagg.rag.encoder import Encoder, SentenceTransformerEncoder
from graphagg.rag.entities import EntityExtractor, SpacyExtractor
from graphagg.rag.passages import Passage, check_corpus, corpus_digest, metadata_json
from graphagg.rag.results import Hit
from graphagg.rag.retriever import Mention, PassageTable, Question, Retriever, Vector
from graphagg.rag.tokens import entity_key
from graphagg.rag.trigraph import TriGraph, build_trigraph
from graphagg.store import Artifact, ArtifactWriter, open_artifact, write_artifact

KIND = "passages"
LONGEST_QUESTION = 10_000
"""Characters a question may have."""

_DEFAULT = RetrievalConfig()
_PARAMETERS = {"revision": 1}  # raised when the same corpus and models give another index


class PassageIndex:
    """A Tri-Graph index of a corpus, opened from its directory.

    Use `PassageIndex.build` or `PassageIndex.open`. Models load at the first question. The index
    keeps the version it opened, also while another process publishes a newer one.
    """

    def __init__(
        self,
        artifact: Artifact,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
    ) -> None:
        self._artifact = artifact
        where = str(artifact.directory)
        recorded = artifact.manifest.models
        if encoder is not None:
            encoder.spec.check_built_with("encoder", recorded["encoder"], where)
        if extractor is not None:
            extractor.spec.check_built_with("extractor", recorded["extractor"], where)
        self._encoder, self._extractor = encoder, extractor
        self.retriever = Retriever(
            PassageTable(
                artifact.strings("passages.id"),
                artifact.strings("passages.title"),
                artifact.strings("passages.text"),
                artifact.strings("passages.metadata"),
            ),
            TriGraph.open(artifact),
            DenseIndex.open(artifact),
            artifact.array("sentences.vectors"),
            artifact.array("entities.vectors"),
        )

    @classmethod
    def build(
        cls,
        passages: Iterable[Passage | Mapping[str, Any]],
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        progress: Progress = silent,
        force: bool = False,
    ) -> PassageIndex:
        """Index a corpus into `directory` and open it.

        Where the directory holds an index of the same passages by the same models, nothing is done
        unless `force`. Until the new index is complete, and if anything fails, the old one stays.

        Args:
            passages: passages, or mappings with `id`, `text` and optionally `title`, `metadata`.
            directory: where the index goes; made if it is not there.
            encoder: default `SentenceTransformerEncoder()`.
            extractor: default `SpacyExtractor()`.
            progress: called with stage, done, total.
            force: build also where nothing changed.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            ArtifactBusy, ArtifactError: about the directory.
            MissingExtra: an optional dependency or a default model is not installed.
        """
        corpus = check_corpus(passages)
        inputs = {"passages": corpus_digest(corpus)}
        with write_artifact(directory) as publication:
            extractor = extractor or SpacyExtractor()
            texts = [passage.full_text for passage in corpus]
            current = _same_build(directory, inputs, encoder, extractor) if not force else None
            if current is None:
                graph = _annotate(corpus, extractor, progress)
                encoder = encoder or SentenceTransformerEncoder()
                _write_passages(publication.writer, corpus)
                graph.save(publication.writer)
                _write_vectors(publication.writer, texts, graph, encoder, progress)
                publication.publish(
                    Manifest(
                        kind=KIND,
                        parameters=_PARAMETERS,
                        inputs=inputs,
                        models={
                            "encoder": encoder.spec.to_json(),
                            "extractor": extractor.spec.to_json(),
                        },
                        counts=graph.counts(),
                    )
                )
        return cls.open(directory, encoder=encoder, extractor=extractor)

    @classmethod
    def open(
        cls,
        directory: str | os.PathLike[str],
        *,
        encoder: Encoder | None = None,
        extractor: EntityExtractor | None = None,
        verify: bool = False,
    ) -> PassageIndex:
        """Open an index in milliseconds; no model is loaded.

        Args:
            directory: the index.
            encoder: the encoder it was built with; None loads it by name at the first question.
            extractor: likewise.
            verify: compare every file's checksum first.

        Raises:
            NotAnArtifact, UnsupportedFormat, CorruptArtifact: about the directory.
            ModelMismatch: a given model is not the one the index was built with.
        """
        artifact = open_artifact(directory, kind=KIND, verify=verify)
        try:
            return cls(artifact, encoder, extractor)
        except BaseException:
            artifact.close()
            raise

    @property
    def manifest(self) -> Manifest:
        """What the index was built from, with which models, and its sizes."""
        return self._artifact.manifest

    def __len__(self) -> int:
        return len(self.retriever.passages)

    def close(self) -> None:
        """Give up the opened version, so that a writer may remove it."""
        self._artifact.close()

    def __enter__(self) -> PassageIndex:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def retrieve(
        self,
        question: str,
        k: int = 5,
        *,
        mode: Mode = "faithful",
        config: RetrievalConfig = _DEFAULT,
    ) -> list[Hit]:
        """Retrieve the `k` best passages for a question, best first.

        Args:
            question: at most 10,000 characters.
            k: how many passages; all of them where the corpus has fewer.
            mode: `faithful` is LinearRAG; `dense` ranks by cosine alone.
            config: settings of `faithful`; see `graphagg.rag.PRESETS`.

        Raises:
            InvalidQuestion: it is empty, too long, or no string.
            InvalidParameter: `k` is under 1 or `mode` unknown.
            ModelMismatch: the installed model is not the one the index was built with.
        """
        _check_request(k, mode)
        return self.retriever.retrieve(self.prepare([question])[0], k, mode, config)

    def retrieve_batch(
        self,
        questions: Sequence[str],
        k: int = 5,
        *,
        mode: Mode = "faithful",
        config: RetrievalConfig = _DEFAULT,
    ) -> list[list[Hit]]:
        """Retrieve for many questions at once; the same answers as one by one, sooner."""
        _check_request(k, mode)
        if not questions:
            return []
        return self.retriever.retrieve_batch(self.prepare(questions), k, mode, config)

    def prepare(self, questions: Sequence[str]) -> list[Question]:
        """Encode questions and find their entities; what `retriever` takes."""
        return self.encode(questions, self.mentions(questions))

    def mentions(self, questions: Sequence[str]) -> list[list[str]]:
        """The entities that each question names, by the extractor; without those of no word."""
        for question in questions:
            _check_question(question)
        found = self._load_extractor().annotate(questions)
        return [
            [name for start, end in annotation.mentions if entity_key(name := text[start:end])]
            for text, annotation in zip(questions, found, strict=True)
        ]

    def encode(self, questions: Sequence[str], mentions: Sequence[Sequence[str]]) -> list[Question]:
        """Encode questions and those of their mentions that are no key of the index."""
        find = self.retriever.graph.find
        links: dict[str, int | Vector] = {}
        unknown = []
        for name in dict.fromkeys(name for names in mentions for name in names):
            entity = find(name)
            if entity is None:
                unknown.append(name)
            else:
                links[name] = entity
        vectors, unknown_vectors = self._load_encoder().encode_query(questions, unknown)
        links.update(zip(unknown, unknown_vectors, strict=True))
        return [
            Question(text, vector, tuple(Mention(name, links[name]) for name in names))
            for text, vector, names in zip(questions, vectors, mentions, strict=True)
        ]

    def _load_encoder(self) -> Encoder:
        if self._encoder is None:
            recorded = self.manifest.models["encoder"]
            encoder = SentenceTransformerEncoder(recorded["name"])
            encoder.spec.check_built_with("encoder", recorded, str(self._artifact.directory))
            self._encoder = encoder
        return self._encoder

    def _load_extractor(self) -> EntityExtractor:
        if self._extractor is None:
            recorded = self.manifest.models["extractor"]
            extractor = SpacyExtractor(recorded["name"])
            extractor.spec.check_built_with("extractor", recorded, str(self._artifact.directory))
            self._extractor = extractor
        return self._extractor


def _check_request(k: int, mode: str) -> None:
    if k < 1:
        raise InvalidParameter(f"k is {k}, wanted at least 1")
    if mode not in MODES:
        raise InvalidParameter(f"mode is {mode!r}, wanted one of {MODES}")


def _check_question(question: object) -> None:
    if not isinstance(question, str):
        raise InvalidQuestion(f"the question is a {type(question).__name__}, wanted a string")
    if not question.strip():
        raise InvalidQuestion("the question is empty; ask something")
    if len(question) > LONGEST_QUESTION:
        raise InvalidQuestion(
            f"the question has {len(question):,} characters, at most {LONGEST_QUESTION:,} are "
            "taken; shorten it"
        )


def _same_build(
    directory: str | os.PathLike[str],
    inputs: Mapping[str, str],
    encoder: Encoder | None,
    extractor: EntityExtractor,
) -> Manifest | None:
    """The manifest of the index there if building again would give the same."""
    try:
        with open_artifact(directory, kind=KIND) as artifact:
            manifest = artifact.manifest
    except ArtifactError:
        return None
    wanted = (encoder or SentenceTransformerEncoder()).spec.to_json()
    same = (
        manifest.inputs == inputs
        and manifest.parameters == _PARAMETERS
        and manifest.models["encoder"] == wanted
        and manifest.models["extractor"] == extractor.spec.to_json()
    )
    return manifest if same else None


def _annotate(
    corpus: Sequence[Passage], extractor: EntityExtractor, progress: Progress
) -> TriGraph:
    """Find entities in titles and texts apart, then put the two together."""
    found = extractor.annotate([part for passage in corpus for part in passage.parts])
    annotations = []
    for passage in corpus:
        title = next(found) if passage.title else None
        text = next(found).shifted(len(passage.full_text) - len(passage.text))
        annotations.append(text if title is None else text.with_title(title))
        progress("entities", len(annotations), len(corpus))
    return build_trigraph([passage.full_text for passage in corpus], annotations)


def _write_passages(writer: ArtifactWriter, corpus: Sequence[Passage]) -> None:
    writer.strings("passages.id", (p.id for p in corpus))
    writer.strings("passages.title", (p.title for p in corpus))
    writer.strings("passages.text", (p.text for p in corpus))
    writer.strings("passages.metadata", (metadata_json(p) for p in corpus))


def _write_vectors(
    writer: ArtifactWriter,
    texts: Sequence[str],
    graph: TriGraph,
    encoder: Encoder,
    progress: Progress,
) -> None:
    windows = encoder.split(texts)
    bounds = np.zeros(len(windows) + 1, dtype=np.int64)
    np.cumsum([len(window) for window in windows], out=bounds[1:])
    flat = [window for passage in windows for window in passage]

    DenseIndex(encoder.encode(flat, renamed(progress, "passages")), bounds).save(writer)
    sentences = list(graph.sentences)
    writer.array("sentences.vectors", encoder.encode(sentences, renamed(progress, "sentences")))
    writer.array("entities.vectors", encoder.encode(list(graph.names), renamed(progress, "names")))
