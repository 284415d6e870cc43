"""`PassageIndex`: build, open, query and change an index of passages.

The functions of `graphagg.rag.operations` do the work; retrieval modes are in `graphagg.rag.modes`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Unpack

from graphagg.checks import integer, with_values
from graphagg.progress import Progress, silent
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.models.chunking import Source
from graphagg.rag.operations import answering
from graphagg.rag.operations.config import PassageConfig, PassageOptions
from graphagg.rag.operations.corpus import IndexedCorpus
from graphagg.rag.operations.retrieval import Retrieval
from graphagg.rag.question.request import Request, RequestFields, ids_of
from graphagg.store.changes import ChangeReport

if TYPE_CHECKING:  # retrieval does not import the code of builds, changes and Spark
    from pyspark.sql import DataFrame

    from graphagg.spark.build import Engine


_CONFIG = PassageConfig()
_DEFAULT = Request()


class PassageIndex(IndexedCorpus, Retrieval):
    """An index of passages, opened from its directory.

    Use `PassageIndex.build` or `PassageIndex.open`. Models load at the first question. The object
    stays on the version that it opened until you call `reopen` or a method that changes the index,
    even if another process publishes a newer version. Reading is thread-safe. `reopen` and changes
    raise `ModelMismatch` if the newest version was built with models that differ from yours.

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

        The passages are read once, and memory does not grow with their number (`limits`). A killed
        build leaves finished blocks in `<directory>.work`; the next build of the same passages and
        models continues from them. If the directory has an index of the same passages and models,
        nothing is done unless `force`. The old index stays until the new one is complete.

        Args:
            passages: passages, or mappings with `id`, `text` and optionally `title`, `metadata`,
                `document`, `position`; documents from `read_documents`; or a data frame or Arrow
                table with one row per passage. For Spark: a DataFrame, `table:NAME`, or a path
                to JSONL or Parquet that Spark can read.
            directory: directory of the index, created if needed, or an address on a store, such as
                `s3://bucket/idx`.
            config: models and settings.
            engine: "local", "spark", or a `graphagg.spark.SparkOptions`. None: Spark for a
                DataFrame or a table. Spark takes no `limits`.
            progress: called with stage, done, total; total is 0 while it is unknown.
            force: build even if nothing changed, or over an unfinished Spark job.
            options: fields of `PassageConfig`, such as `profile="fast"`; they override `config`.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: the passages are invalid.
            InvalidParameter: an option, the language or the names are invalid.
            ArtifactBusy, ArtifactError, WriteFailed: the directory is in use or cannot be written.
            ParametersDiffer, JobFailed: a Spark job failed; the same call continues it.
            MissingExtra: an optional dependency or a default model is not installed.

        Examples:
            >>> import tempfile
            >>> rows = [{"key": 1, "body": "Ada met Byron."}]
            >>> columns = RowConfig(id_column="key", text_column="body")
            >>> config = PassageConfig(profile="fast", columns=columns)
            >>> len(PassageIndex.build(rows, tempfile.mkdtemp(), config=config))
            1
        """
        from graphagg.spark.build import SparkOptions

        config = with_values(config, options)
        spark = SparkOptions.from_engine(engine, passages)
        if spark is None:
            from graphagg.rag.operations.changes import build_here

            models = build_here(passages, directory, config, progress, force)
            return cls.open(directory, encoder=models.encoder, extractor=models.extractor)
        from graphagg.rag.spark.build import build_by_spark

        encoder, extractor = build_by_spark(passages, directory, config, spark, progress, force)
        return cls.open(directory, encoder=encoder, extractor=extractor)

    def retrieve_on_spark(
        self,
        frame: DataFrame,
        column: str = "question",
        k: int = 5,
        request: Request = _DEFAULT,
        **fields: Unpack[RequestFields],
    ) -> DataFrame:
        """Retrieve passages for a column of questions; return a lazy DataFrame, one row per hit.

        Each worker opens the index and its models once, from the same path or from a store.

        Args:
            frame: the questions; columns `rank` (from 1), `passage` (an id), `score`, `title` and
                `text` are added.
            column: name of the column of questions.
            k: as for `retrieve`.
            request: as for `retrieve`.
            fields: as for `retrieve`.
        """
        from graphagg.rag.documents.analyzer import Analyzer
        from graphagg.rag.spark.build import passages_frame

        request = request.with_fields(**fields)
        Analyzer("en").stem("a")  # this line and the next raise errors before Spark runs
        answering.retriever_for(self._version, request)
        options = {"k": integer("k", k, 1), "request": request}
        return passages_frame(frame, self, column, self._given, options)

    def add(
        self,
        passages: Iterable[Source],
        *,
        columns: RowConfig | None = None,
        replace: bool = False,
        progress: Progress = silent,
    ) -> ChangeReport:
        """Add passages as a new version, all or none; answers equal those of a rebuilt index.

        Long texts are split as in the build (`chunking`).

        Args:
            passages: as for `build`.
            columns: names of the fields of mappings and tables. None: the names that the build
                used, for rows that have them.
            replace: replace passages with the same ids, and documents with all their chunks;
                otherwise an id that exists is an error.
            progress: called with stage, done, total.

        Raises:
            EmptyCorpus, InvalidPassage, DuplicateId: the passages are invalid.
            ArtifactBusy, ArtifactError, WriteFailed: the directory is in use or cannot be written.
            ModelMismatch: the newest version was built with other models.
        """
        from graphagg.rag.operations import changes

        sources = list(changes.rows_of(passages, columns, self.snapshot.columns))
        with self._changing() as (publication, newest):
            return changes.add_passages(publication, newest, sources, replace, progress)

    def update(
        self,
        passages: Iterable[Source],
        *,
        columns: RowConfig | None = None,
        progress: Progress = silent,
    ) -> ChangeReport:
        """Replace passages with the same ids, and documents with all their chunks.

        Arguments are those of `add`.

        Raises:
            UnknownPassage: an id is not in the index; nothing was changed.
            GraphAggError: the errors of `add`.
        """
        from graphagg.rag.operations import changes

        sources = list(changes.rows_of(passages, columns, self.snapshot.columns))
        with self._changing() as (publication, newest):
            return changes.add_passages(
                publication, newest, sources, True, progress, must_exist=True
            )

    def sync(
        self,
        passages: Iterable[Source],
        *,
        columns: RowConfig | None = None,
        dry_run: bool = False,
        progress: Progress = silent,
    ) -> ChangeReport:
        """Make the index contain exactly these passages; publish at most one new version.

        Other passages are deleted, changed ones replaced; only new texts are encoded. Answers equal
        those of a rebuilt index.

        Args:
            passages: all passages, as for `build`; for a folder, the result of `read_documents`.
            columns: as for `add`.
            dry_run: report the differences, and change nothing.
            progress: called with stage, done, total.

        Raises:
            EmptyCorpus: no passages are given; nothing was deleted.
            GraphAggError: the errors of `add`.
        """
        from graphagg.rag.operations import changes

        sources = list(changes.rows_of(passages, columns, self.snapshot.columns))
        if dry_run:
            self.reopen()
            return changes.difference(self.snapshot, sources)[-1]
        with self._changing() as (publication, newest):
            return changes.sync_passages(publication, newest, sources, progress)

    def delete(self, ids: str | Iterable[str], *, ignore_missing: bool = False) -> ChangeReport:
        """Delete passages, and entities and words that only they contain, as a new version.

        `compact` removes their texts from disk.

        Args:
            ids: ids of passages, or of documents with all their chunks; or one id.
            ignore_missing: skip ids that are not in the index; otherwise they are an error.

        Raises:
            InvalidParameter: an id is not a string.
            UnknownPassage: an id is not in the index; nothing was deleted.
            EmptyCorpus: no passage would be left.
        """
        from graphagg.rag.operations import changes

        names = ids_of("ids", ids)
        with self._changing() as (publication, newest):
            return changes.delete_passages(publication, newest, names, ignore_missing)

    def compact(self) -> None:
        """Merge all segments into one, without the deleted passages.

        The files equal those of a new build byte for byte, if the encoder computes a vector from
        the text alone.
        """
        from graphagg.rag.indexing.change import compact

        with self._changing() as (publication, newest):
            compact(publication, newest)
