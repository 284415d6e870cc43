"""The passage index by Spark, the same artifact as `PassageIndex.build` writes.

Stages, each of which ends on disk in `<directory>.work`, so that a job that was killed goes on:

1. passages: read, checked, split where they are long, and written in pieces of consecutive rows,
   in the order of the input.
2. segment: entities, sentences and vectors of each piece; models load once a worker process.
3. names: distinct keys sorted by range and numbered; those that were found are encoded.
4. gazetteer: mentions by lookup in the sorted keys, pairs and entities by a sort (C and M).
5. lexicon: postings sorted by (term, row).
6. order of ids, metadata, inverted file.

The files are byte for byte those of one process, on machines of one kind. What tasks exchange lies
where `graphagg.spark.job` says; nothing that grows with the corpus is in the driver's results, and
nothing is broadcast.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from graphagg.arrays import offsets
from graphagg.rag.build.loading import is_built
from graphagg.rag.build.publish import KIND, parameters
from graphagg.rag.models.by_name import Models
from graphagg.rag.models.chunking import DEFAULT_CHUNKING, ChunkConfig
from graphagg.rag.spark.entities import write_gazetteer
from graphagg.rag.spark.postings import write_lexicon
from graphagg.rag.spark.records import PassageInput, write_passages
from graphagg.rag.spark.segment import join_segment, number_keys, write_names, write_segment
from graphagg.rag.spark.stages import PASSAGES, ModelLoader, Stages, loaded
from graphagg.rag.spark.tables import write_inverted_file, write_metadata, write_ranks
from graphagg.spark.build import SparkBuild
from graphagg.spark.job import Work
from graphagg.spark.tasks import Stats
from graphagg.store import Publication
from graphagg.store.manifest import Manifest

PASSAGES_A_TASK = 2_000
ENTRIES_A_TASK = 1_000_000
"""Mentions or postings that a task holds; about 100 bytes each."""


def write_with_spark(
    build: SparkBuild,
    source: PassageInput,
    loader: ModelLoader,
    *,
    chunking: ChunkConfig | None = DEFAULT_CHUNKING,
    with_faithful: bool = False,
    passages_a_task: int = PASSAGES_A_TASK,
    entries_a_task: int = ENTRIES_A_TASK,
) -> Models:
    """Index a corpus by Spark; see `build_with_spark`. Returns the models of this process."""
    here = loaded(loader)
    job = job_of(source, here, chunking, with_faithful)

    def write(work: Work, publication: Publication) -> None:
        files = work.version(publication)
        stages = Stages(work, files, loader, here.language, entries_a_task, with_faithful)
        _run(stages, publication, source, chunking, passages_a_task, here, build.force)

    build.publish(KIND, job, source, write)
    return here


def job_of(
    source: PassageInput,
    models: Models,
    chunking: ChunkConfig | None,
    with_faithful: bool = False,
) -> dict[str, Any]:
    """Identity of a job: its input, its models, and how long texts are split."""
    return {
        "source": source.identity(),
        "models": models.to_json(),
        "parameters": parameters(models, chunking, with_faithful=with_faithful),
    }


def _run(
    stages: Stages,
    publication: Publication,
    source: PassageInput,
    chunking: ChunkConfig | None,
    passages_a_task: int,
    models: Models,
    force: bool,
) -> None:
    passages = write_passages(stages, source, chunking, passages_a_task)
    starts = [int(bound) for bound in offsets([s["rows"] for s in passages])]
    write_ranks(stages, passages, starts)
    digest = _digest(stages, passages)
    if not force and is_built(publication.location, digest, models, chunking, stages.with_faithful):
        return
    segment = write_segment(stages, passages)
    join_segment(stages, passages, segment)
    write_names(stages, number_keys(stages, segment, ["found"]) if stages.with_faithful else None)
    keys = number_keys(stages, segment, ["found", "titles"])
    counts = write_gazetteer(stages, passages, starts, keys)
    counts["terms"] = write_lexicon(stages, segment, starts)
    write_metadata(stages, passages)
    if models.storage.inverted:
        write_inverted_file(stages)
    stages.files.gather(publication.writer)
    table = getattr(models.encoder, "table", None)
    if table is not None:
        table.write(publication.writer)
    publication.publish(
        Manifest(
            kind=KIND,
            parameters=parameters(models, chunking, with_faithful=stages.with_faithful),
            inputs={"passages": digest},
            models=models.to_json(),
            counts={
                "passages": starts[-1],
                "sentences": len(stages.files.map("s0.sentences.vectors")),
                **{name: counts[name] for name in ("entities", "mentions", "terms")},
                "segments": 1,
            },
        )
    )


def _digest(stages: Stages, passages: Sequence[Stats]) -> str:
    """`corpus_digest`, piece by piece."""
    pieces, total = stages.pieces(PASSAGES), hashlib.sha256()
    for s in passages:
        digests: Any = pieces.array(s["block"], "s0.passages.digests")
        total.update(digests.tobytes())
    return total.hexdigest()
