"""The passage index by Spark is the one that a single process writes, byte for byte."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphagg.errors import (
    DuplicateId,
    EmptyCorpus,
    InvalidParameter,
    InvalidPassage,
    UnreadableFile,
)
from graphagg.nearest import search
from graphagg.rag import (
    ChunkConfig,
    PassageIndex,
    chunk_documents,
    read_documents,
    read_passages,
)
from graphagg.rag.documents.rows import RowConfig
from graphagg.rag.indexing.engine import TableStages
from graphagg.rag.models.by_name import Models
from graphagg.rag.operations.config import PassageOptions
from graphagg.rag.spark import build as building
from graphagg.rag.spark.records import PassageInput
from graphagg.spark import SparkOptions
from graphagg.spark.job import SparkJob
from graphagg.store.manifest import read_manifest
from tests.fakes import FakeEncoder, FakeExtractor, PoolingEncoder

pytestmark = pytest.mark.spark


@dataclass(frozen=True)
class Fakes:
    """Fake models that workers can load."""

    language: str = "en"
    words: str | None = None
    pools: bool = False

    def load(self) -> Models:
        # Models of one name are loaded once per worker.
        kind, name = (PoolingEncoder, "pooling") if self.pools else (FakeEncoder, "fake")
        encoder = kind(name, window=12)
        return Models(encoder, FakeExtractor(self.language), self.words)


def fakes(models: Fakes = Fakes()) -> PassageOptions:
    """The models as arguments of `PassageIndex.build`."""
    loaded = models.load()
    return {
        "encoder": loaded.encoder, "extractor": loaded.extractor, "language": models.words,
    }  # fmt: skip


def passages(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """Texts that share names, some with titles, metadata and documents."""
    rng = random.Random(seed)
    names = ["Ada", "Ada Lovelace", "Charles Babbage", "Engine", "London", "Thames", "The Thames",
             "Zürich", "東京", "Mercury", "Mercury (planet)"]  # fmt: skip
    words = ["river", "wrote", "notes", "the", "engines", "city", "of", "planet", "lay"]
    found = []
    for i in range(count):
        parts = [rng.choice(names) if rng.random() < 0.4 else rng.choice(words) for _ in range(20)]
        record: dict[str, Any] = {"id": f"p{rng.random():.6f}-{i}", "text": " ".join(parts) + "."}
        if rng.random() < 0.6:
            record["title"] = rng.choice(names)
        if rng.random() < 0.5:
            record["metadata"] = {"year": rng.randint(1800, 1900), "tags": rng.sample(words, 2)}
        if rng.random() < 0.2:
            record |= {"document": f"d{i % 3}", "position": i}
        found.append(record)
    return found


def in_process(
    records: list[dict[str, Any]], directory: Path, words: str | None = None, pools: bool = False
) -> PassageIndex:
    models = Fakes(pools=pools).load()
    return PassageIndex.build(
        records, directory, language=words, encoder=models.encoder, extractor=models.extractor
    )


def opened(directory: Path, fakes: Fakes) -> PassageIndex:
    models = fakes.load()
    return PassageIndex.open(directory, encoder=models.encoder, extractor=models.extractor)


def files(directory: Path) -> dict[str, str]:
    folder = directory / read_manifest(directory).data
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}


def lines(records: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


@pytest.mark.parametrize(
    ("words", "pools"), [(None, True), pytest.param("auto", False, marks=pytest.mark.slow)]
)
def test_the_same_bytes(
    spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str | None, pools: bool
) -> None:
    """`pools`: by an encoder that gives vectors of sentences too."""
    records = passages(60)
    for i in range(0, 60, 3):  # other languages, also inside one piece
        records[i]["text"] += (" Die alten Häuser standen am Fluss.", " 北京是中国的首都。")[i % 2]
    (tmp_path / "p.jsonl").write_text(lines(records), encoding="utf-8")
    in_process(records, tmp_path / "local", words, pools).close()
    models = Fakes(words=words, pools=pools)
    monkeypatch.setattr(building, "ENTRIES_PER_TASK", 200)
    PassageIndex.build(
        str(tmp_path / "p.jsonl"),
        tmp_path / "spark",
        engine=SparkOptions(spark, items_per_task=13),
        **fakes(models),
    )
    with opened(tmp_path / "spark", models) as index:
        assert len(index) == 60
        index.add([{"id": "new", "text": "Ada met Grace Hopper in Zürich."}])
        assert index.retrieve("Where did Ada meet Grace Hopper?", k=1)[0].passage.id == "new"
        index.delete(["new"])
        index.compact()
    assert files(tmp_path / "spark") == files(tmp_path / "local")
    one, other = (read_manifest(tmp_path / name) for name in ("local", "spark"))
    assert one.to_json() == other.to_json()
    assert not (tmp_path / "spark.work").exists()


@pytest.mark.parametrize(
    "chunking", [ChunkConfig(9, 3), pytest.param(None, marks=pytest.mark.slow)]
)
def test_documents_are_split_in_the_tasks_as_in_one_process(
    spark: Any, tmp_path: Path, chunking: ChunkConfig | None
) -> None:
    records = passages(40, seed=3)
    records += [{"id": f"long{i}", "text": " ".join(r["text"] for r in records[i : i + 9])}
                for i in range(6)]  # fmt: skip
    (tmp_path / "p.jsonl").write_text(lines(records), encoding="utf-8")
    models = Fakes().load()
    PassageIndex.build(
        records, tmp_path / "local", chunking=chunking, encoder=models.encoder,
        extractor=models.extractor,
    ).close()  # fmt: skip
    PassageIndex.build(
        str(tmp_path / "p.jsonl"),
        tmp_path / "spark",
        engine=SparkOptions(spark, items_per_task=17),
        chunking=chunking,
        **fakes(),
    )
    with opened(tmp_path / "spark", Fakes()) as index:
        assert (len(index) > 100) is (chunking is not None)
    assert files(tmp_path / "spark") == files(tmp_path / "local")
    one, other = (read_manifest(tmp_path / name) for name in ("local", "spark"))
    assert one.to_json() == other.to_json()


def test_a_document_that_is_split_has_its_id_alone(spark: Any, tmp_path: Path) -> None:
    long = {"id": "a", "text": "One two three. Four five six. Seven eight nine."}
    records = [long, {"id": "a#1", "text": "Short."}]
    (tmp_path / "p.jsonl").write_text(lines(records), encoding="utf-8")
    with pytest.raises(DuplicateId):
        PassageIndex.build(
            str(tmp_path / "p.jsonl"),
            tmp_path / "i",
            engine=SparkOptions(spark),
            chunking=ChunkConfig(4, 0),
            **fakes(),
        )


@pytest.mark.parametrize("form", [pytest.param("gzip", marks=pytest.mark.slow), "parquet"])
def test_every_form_of_input(spark: Any, tmp_path: Path, form: str) -> None:
    records = passages(12, seed=1)
    if form == "gzip":
        source = tmp_path / "p.jsonl.gz"
        source.write_bytes(gzip.compress(lines(records).encode()))
    else:
        plain = [{"id": r["id"], "text": r["text"], "title": r.get("title")} for r in records]
        source = tmp_path / "p.parquet"
        pq.write_table(pa.Table.from_pylist(plain), source, row_group_size=5)
    models = Fakes().load()
    PassageIndex.build(
        read_passages(source),
        tmp_path / "local",
        encoder=models.encoder,
        extractor=models.extractor,
    ).close()
    PassageIndex.build(str(source), tmp_path / "spark", engine=SparkOptions(spark), **fakes())
    assert files(tmp_path / "spark") == files(tmp_path / "local")


def test_passages_of_documents_are_those_of_one_process(spark: Any, tmp_path: Path) -> None:
    """Spark refuses documents, and reads what the message says to write."""
    folder, written = tmp_path / "in", tmp_path / "p.jsonl"
    folder.mkdir()
    text = "# Lower\n\n## Cranes\n\n" + "Ada met Charles Babbage in London. " * 99
    (folder / "long.md").write_text(f"See [the cranes](page.md#cranes).\n\n{text}")
    (folder / "page.md").write_text("# Upper\n\n## Cranes\n\nAda paid for the motor.\n")
    with pytest.raises(InvalidParameter, match=r"documents \(\.md\).*chunk_documents"):
        PassageIndex.build(str(folder), tmp_path / "idx", engine=SparkOptions(spark), **fakes())
    passages = chunk_documents(read_documents(folder), ChunkConfig())
    written.write_text(lines([vars(each) for each in passages]))
    PassageIndex.build(read_documents(folder), tmp_path / "local", **fakes()).close()
    PassageIndex.build(str(written), tmp_path / "spark", engine=SparkOptions(spark), **fakes())
    assert files(tmp_path / "spark") == files(tmp_path / "local")


@pytest.mark.parametrize(
    ("names", "is_table"),
    [(["x/part-0.parquet", "_SUCCESS"], True), (["p.jsonl.gz", "q.JSON"], False)],
)
def test_parts_of_a_table(spark: Any, tmp_path: Path, names: list[str], is_table: bool) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert PassageInput.from_source(str(tmp_path), RowConfig()).is_table(spark) is is_table


@pytest.mark.slow
def test_a_faiss_index(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "FLAT", 100)
    monkeypatch.setattr(building, "ENTRIES_PER_TASK", 300)
    records = passages(120, seed=2)
    (tmp_path / "p.jsonl").write_text(lines(records), encoding="utf-8")
    in_process(records, tmp_path / "local").close()
    PassageIndex.build(
        str(tmp_path / "p.jsonl"), tmp_path / "spark", engine=SparkOptions(spark), **fakes()
    )
    assert files(tmp_path / "spark") == files(tmp_path / "local")
    assert "s0.search.faiss" in files(tmp_path / "spark")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("", EmptyCorpus, "no passages"),
        ('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', DuplicateId, "'a'"),
        ('{"id": "a"}\n', InvalidPassage, "text missing"),
        ('{"id": "a", "text": \n', UnreadableFile, "invalid JSON"),
        (None, UnreadableFile, "PATH_NOT_FOUND"),
    ],
)
def test_bad_input_is_named(
    spark: Any, tmp_path: Path, content: str | None, error: type[Exception], message: str
) -> None:
    source = tmp_path / "p.jsonl"
    if content is not None:
        source.write_text(content)
    with pytest.raises(error, match=message):
        PassageIndex.build(str(source), tmp_path / "idx", engine=SparkOptions(spark), **fakes())
    assert not (tmp_path / "idx").exists()
    assert not (tmp_path / "idx.work").exists()


@pytest.mark.slow
def test_a_killed_job_goes_on(spark: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = passages(20, seed=3)
    (tmp_path / "p.jsonl").write_text(lines(records), encoding="utf-8")
    in_process(records, tmp_path / "local").close()

    def killed(*_: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TableStages, "write_postings", killed)
        with pytest.raises(KeyboardInterrupt):
            PassageIndex.build(
                str(tmp_path / "p.jsonl"), tmp_path / "spark", engine=SparkOptions(spark), **fakes()
            )
    assert (tmp_path / "spark.work" / "segment.json").exists()
    written = (tmp_path / "spark.work" / "blocks" / "segment.000000.json").stat().st_mtime_ns
    seen = []
    remove = SparkJob.remove

    def looked_at(work: Any) -> None:
        note = work.folder / "blocks" / "segment.000000.json"
        seen.append(note.stat().st_mtime_ns)
        remove(work)

    monkeypatch.setattr(SparkJob, "remove", looked_at)
    PassageIndex.build(
        str(tmp_path / "p.jsonl"), tmp_path / "spark", engine=SparkOptions(spark), **fakes()
    )
    assert seen == [written], "the segment was computed once"
    assert files(tmp_path / "spark") == files(tmp_path / "local")


@pytest.mark.slow
def test_the_same_again_does_nothing(spark: Any, tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text(lines(passages(5)), encoding="utf-8")
    arguments = (str(tmp_path / "p.jsonl"), tmp_path / "idx")
    PassageIndex.build(*arguments, engine=SparkOptions(spark), **fakes())
    before = (tmp_path / "idx" / "manifest.json").stat().st_mtime_ns
    PassageIndex.build(*arguments, engine=SparkOptions(spark), **fakes())
    assert (tmp_path / "idx" / "manifest.json").stat().st_mtime_ns == before
    PassageIndex.build(*arguments, engine=SparkOptions(spark), **fakes(), force=True)
    assert (tmp_path / "idx" / "manifest.json").stat().st_mtime_ns > before
