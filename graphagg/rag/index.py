"""`PassageIndex`: builds, opens, asks and changes an index of passages.

The methods document what they take and give; the work is done by functions of
`graphagg.rag.operations`, and a question goes on to a mode in `graphagg.rag.modes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from graphagg.checks import integer, with_values
from graphagg.progress import Progress, silent
from graphagg.rag.documents.passages import iterable
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.chunking import Source
from graphagg.rag.operations import retrieval
from graphagg.rag.operations.config import PassageConfig, PassageOptions
from graphagg.rag.operations.corpus import IndexedCorpus
from graphagg.rag.operations.retrieval import AnyRetriever
from graphagg.rag.question.request import Request, RequestFields, ids_of
from graphagg.rag.question.results import DocumentHit, Explanation, Hits
from graphagg.spark.build import Engine, SparkOptions
from graphagg.store.changes import ChangeReport

if TYPE_CHECKING:  # a question needs no build, change or Spark: they load when they are called
    from pyspark.sql import DataFrame

    from graphagg.rag.models.supplied_vectors import SuppliedVectors


_COLUMNS = RowConfig()
_CONFIG = PassageConfig()
_DEFAULT = Request()


class PassageIndex(IndexedCorpus):
    """An index of passages, opened from its directory.

    Use `PassageIndex.build` or `PassageIndex.open`. Models load at the first question. The index
    keeps the version it opened, also while another process publishes a newer one, until `reopen`
    or a change of its own. Reading is safe from several threads. `reopen` and changes raise
    `ModelMismatch` where the newest version was built with another model than the given one; the
    opened version then stays.

    Examples:
        >>> import tempfile
        >>> passages = [
        ...     {"id": "ada", "text": "Ada Lovelace was born in London."},
        ...     {"id": "london", "text": "London lies on the Thames.", "metadata": {"year": 2024}},
        ...     {"id": "seine", "text": "The Seine flows through Paris."},
        ... ]
        >>> index = PassageIndex.build(passages, tempfile.mkdtemp(), profile="fast")
        >>> [hit.passage.id for hit in index.retrieve("Where was Ada Lovelace born?", k=1)]
        ['ada']
        >>> index.retrieve("Which river?", filter={"year": {"gte": 2024}})[0].passage.id
        'london'
        >>> index.explain("Where was Ada Lovelace born?", "ada").rank
        1
        >>> index.add([{"id": "paris", "text": "Paris is the capital of France."}]).added
        1
        >>> index.delete(["seine"]).removed, len(index)
        (1, 3)
        >>> index.retrieve_batch(["Which river?", "Where is Paris?"], k=1)[1][0].passage.id
        'paris'
        >>> index.retrieve_documents("Which river flows through London?", k=1)[0].document
        'london'
        >>> import asyncio
        >>> asyncio.run(index.aretrieve("Who was born in London?", k=1))[0].passage.id
        'ada'
        >>> type(index.retriever(mode="bm25")).__name__
        'BM25'
        >>> index.update([{"id": "paris", "text": "Paris lies on the Seine."}]).replaced
        1
        >>> index.sync(index, dry_run=True).is_empty
        True
        >>> index.compact()
        >>> index.retrieve_on_spark(spark.table("questions")).show()  # doctest: +SKIP
        >>> index.close()
    """

    @classmethod
    def build(
        cls,
        passages: Any,
        directory: str | os.PathLike[str],
        *,
        config: PassageConfig = _CONFIG,
        engine: Engine | None = None,
        progress: Progress = silent,
        force: bool = False,
        **options: Unpack[PassageOptions],
    ) -> PassageIndex:
        """Index a corpus into `directory` and open it.

        The passages are read once, one by one, and memory does not grow with them: they go to the
        disk as they come, and everything else is made block by block (`limits`). What a killed
        build has finished of several blocks lies in `<directory>.work`, and the next one with the
        same passages and models goes on from it.

        Where the directory holds an index of the same passages by the same models, nothing is done
        unless `force`. Until the new index is complete, and if anything fails, the old one stays.

        Args:
            passages: passages, or mappings with `id`, `text` and optionally `title`, `metadata`,
                `document`, `position`; documents, as `read_documents` gives them; or a data frame
                or Arrow table with one row per passage. For Spark a DataFrame, `table:NAME`, or
                JSONL, Parquet or a folder of texts on any path that it reads.
            directory: where the index goes; made if it is not there. An address of a store, such
                as `s3://bucket/idx`, is published to when the index is complete.
            config: models and settings.
            engine: "local", "spark", or a `graphagg.spark.SparkOptions`; None: Spark builds from a
                DataFrame or a table. Spark takes no `vectors`, `cache` and `limits`.
            progress: called with stage, done, total; total is 0 while it is not known.
            force: build also where nothing changed, or over an unfinished job of Spark.
            options: fields of `PassageConfig` by name, such as `profile="fast"`; they override
                `config`.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            InvalidParameter: about an option, the vectors, the language or the names.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            ParametersDiffer, JobFailed: about a job of Spark; the same call continues a failed one.
            MissingExtra: an optional dependency or a default model is not installed.

        Examples:
            >>> import tempfile
            >>> rows = [{"key": 1, "body": "Ada met Byron."}]
            >>> columns = RowConfig(id_column="key", text_column="body")
            >>> config = PassageConfig(profile="fast", columns=columns)
            >>> len(PassageIndex.build(rows, tempfile.mkdtemp(), config=config))
            1
        """
        from graphagg.rag.operations.builds import build_by_spark, build_here

        config = with_values(config, options)
        spark = SparkOptions.from_engine(engine, passages)
        if spark is not None:
            encoder, extractor = build_by_spark(passages, directory, config, spark, progress, force)
            return cls.open(directory, encoder=encoder, extractor=extractor)
        models = build_here(passages, directory, config, progress, force)
        return cls.open(
            directory, encoder=models.encoder, extractor=models.extractor, cache=config.cache
        )

    # --- questions -------------------------------------------------------------------------------

    def retrieve(
        self,
        question: str,
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> Hits:
        """Retrieve the `k` best passages for a question, best first: a list, and a table.

        Args:
            question: at most 10,000 characters.
            k: number of passages of distinct texts; all where fewer are visible. By default 5, as
                many as a reader or a language model reads whole. A hit names its `copies`, the
                other visible passages with exactly its text.
            request: mode, visible passages, reranker and more; see `Request`.
            fields: fields of `Request` by name, such as `mode="bm25"`; they override `request`.

        Raises:
            InvalidQuestion: the question is empty, too long, or no string.
            InvalidParameter: `k` is under 1, a field is out of range, `config` is of another mode,
                or `as_of` is given and no passage has a date.
            InvalidScores: the reranker did not give one finite number per text.
            InvalidFilter: the filter names an unknown key or does not fit its type.
            ModelMismatch: the installed model is not the one the index was built with.
        """
        return retrieval.answers(self._version, [question], k, request.with_fields(**fields))[0]

    def retrieve_batch(
        self,
        questions: Iterable[str],
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> list[Hits]:
        """Retrieve for many questions by one call of the model; `retrieve` gives the same answers.

        Scores of mode `linearrag` are the same to 1e-8: a block of questions is walked together.
        """
        return retrieval.answers(self._version, questions, k, request.with_fields(**fields))

    async def aretrieve(
        self,
        question: str,
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> Hits:
        """Run `retrieve` in a thread, for callers with an event loop."""
        import asyncio  # here, as it takes longer to load than a question takes

        return await asyncio.to_thread(self.retrieve, question, k, request, **fields)

    def retrieve_on_spark(
        self,
        frame: DataFrame,
        column: str = "question",
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> DataFrame:
        """Retrieve for a column of questions: one row per hit, as a lazy DataFrame.

        Each worker opens the index and loads its models once. The executors see its directory by
        the same path, or it lies on a store.

        Args:
            frame: its columns are kept; `rank` (from 1), `passage` (an id), `score`, `title` and
                `text` come after them.
            column: name of the column of questions.
            k: as for `retrieve`.
            request: as for `retrieve`.
            fields: as for `retrieve`.
        """
        from graphagg.rag.spark.frames import passages_frame

        request = request.with_fields(**fields)
        retrieval.retriever_for(self._version, request)  # raises for what it does not take
        options = {"k": integer("k", k, 1), "request": request}
        return passages_frame(frame, self, column, self._given, options)

    def retrieve_documents(
        self,
        question: str,
        k: int = 5,
        request: Request = _DEFAULT,
        *,
        chunks: int = 10,
        **fields: Unpack[RequestFields],
    ) -> list[DocumentHit]:
        """Retrieve documents: the best `chunks * k` passages by document, scored by its best one.

        A passage without a document is a document of its own.
        """
        count = integer("chunks", chunks, 1) * integer("k", k, 1)
        return retrieval.by_document(self.retrieve(question, count, request, **fields), k)

    def explain(
        self,
        question: str,
        passage_id: str,
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> Explanation:
        """Explain why a passage is, or is not, among the `k` best for a question.

        Takes what `retrieve` takes; `window` and `min_score` change nothing here.

        Raises:
            UnknownPassage: there is no such passage.
            GraphAggError: what `retrieve` raises.
        """
        request = request.with_fields(**fields)
        return retrieval.explanation(self._version, question, passage_id, k, request)

    def retriever(
        self, request: Request = _DEFAULT, **fields: Unpack[RequestFields]
    ) -> AnyRetriever:
        """Make the retriever of a request, whose stages can be run one by one."""
        return retrieval.retriever_for(self._version, request.with_fields(**fields))

    # --- changes ---------------------------------------------------------------------------------

    def add(
        self,
        passages: Iterable[Source],
        *,
        columns: RowConfig = _COLUMNS,
        vectors: SuppliedVectors | None = None,
        replace: bool = False,
        progress: Progress = silent,
    ) -> ChangeReport:
        """Add passages, all or none, and move on to the version that holds them.

        Every answer equals the answer of a rebuild. Long texts are split as the index was built
        (`chunking`).

        Args:
            passages: as for `build`.
            columns: as for `build`.
            vectors: as for `build`; passages with vectors stay whole.
            replace: a passage replaces the one of its id, and a document all its earlier chunks;
                without it an id that is in the index is an error.
            progress: called with stage, done, total.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: about the passages.
            ArtifactBusy, ArtifactError, WriteFailed: about the directory.
            ModelMismatch: the newest version was built with other models than the given ones.
        """
        from graphagg.rag.operations import changes

        rows, given = changes.rows_of(passages, columns, vectors)
        sources = list(rows)
        with self._changing() as (publication, newest):
            return changes.add_passages(publication, newest, sources, given, replace, progress)

    def update(self, passages: Iterable[Source], *, progress: Progress = silent) -> ChangeReport:
        """Replace passages of the same ids, and documents with all their chunks.

        Raises:
            UnknownPassage: an id is not in the index; nothing was changed.
            GraphAggError: what `add` raises.
        """
        from graphagg.rag.operations import changes

        sources = list(iterable(passages))
        with self._changing() as (publication, newest):
            return changes.update_passages(publication, newest, sources, progress)

    def sync(
        self,
        passages: Iterable[Source],
        *,
        dry_run: bool = False,
        progress: Progress = silent,
    ) -> ChangeReport:
        """Make the index hold exactly these passages, by one new version at most.

        Passages that are not given are deleted, different ones replaced, equal ones left alone;
        only new texts are encoded. Every answer equals the answer of a rebuild.

        Args:
            passages: all that the index should hold, as for `build`; for a folder, the result of
                `read_documents`.
            dry_run: compare, and change nothing.
            progress: called with stage, done, total.

        Raises:
            EmptyCorpus: there is no passage; nothing was deleted.
            GraphAggError: what `add` raises.
        """
        from graphagg.rag.operations import changes

        sources = list(iterable(passages))
        if dry_run:
            self.reopen()
            return changes.compared(self.snapshot, sources).report
        with self._changing() as (publication, newest):
            return changes.sync_passages(publication, newest, sources, progress)

    def delete(self, ids: str | Iterable[str], *, ignore_missing: bool = False) -> ChangeReport:
        """Delete passages and move on to the version without them.

        Entities and words that nothing else holds go with them; the texts themselves leave the disk
        with `compact`.

        Args:
            ids: of passages, or of documents with all their chunks; or one id.
            ignore_missing: skip ids that are not in the index; without it they are an error.

        Raises:
            InvalidParameter: an id is no string.
            UnknownPassage: an id is not in the index; nothing was deleted.
            EmptyCorpus: no passage would be left.
        """
        from graphagg.rag.operations import changes

        names = ids_of("ids", ids)
        with self._changing() as (publication, newest):
            return changes.delete_passages(publication, newest, names, ignore_missing)

    def compact(self) -> None:
        """Join all segments into one without a trace of deleted passages.

        The files equal a build of the remaining passages byte for byte, where the
        vectors of your encoder depend on their text alone. Inverted lists are made anew.
        """
        from graphagg.rag.indexing.change import compact

        with self._changing() as (publication, newest):
            compact(publication, newest.snapshot)
