"""Reading a corpus: every format gives the same passages, every fault is named where it stands."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphagg.errors import DuplicateId, EmptyCorpus, InvalidPassage, UnreadableFile
from graphagg.rag import Passage, chunk_documents, read_passages
from graphagg.rag.documents.passages import as_passage, corpus_digest, passage_digest

ROWS = [
    {"id": "a", "title": "First", "text": "Some text.", "metadata": {"year": 2001}},
    {"id": "b", "title": "", "text": "Zweiter Text: ä."},
]
EXPECTED = [Passage("a", "Some text.", "First", {"year": 2001}), Passage("b", "Zweiter Text: ä.")]


def jsonl(rows: list[object]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_files_give_the_same_passages(tmp_path: Path) -> None:
    content = jsonl(ROWS)
    for name, data in {
        "a.jsonl": content,
        "b.jsonl.gz": gzip.compress(content),
        "gzip_by_its_magic.jsonl": gzip.compress(content),
        "bom.jsonl": b"\xef\xbb\xbf" + content,
        "blank_lines.jsonl": content.replace(b"\n", b"\r\n\r\n"),
    }.items():
        assert list(read_passages(write(tmp_path / name, data))) == EXPECTED, name
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "p.parquet")
    assert list(read_passages(tmp_path / "p.parquet")) == EXPECTED
    path = write(tmp_path / "p.jsonl", jsonl([ROWS[0] | {"lang": "en"}]))
    assert next(read_passages(path)).metadata == {"lang": "en", "year": 2001}


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        (b'{"id": "b", "text": "x"', UnreadableFile, r"p\.jsonl:2: invalid JSON"),
        (b'{"id": "b", "text": "caf\xe9"}', UnreadableFile, r"p\.jsonl:2: byte 24 is not UTF-8"),
        (b'["b", "x"]', UnreadableFile, r"p\.jsonl:2: a JSON list, expected an object"),
        (b'{"id": "b"}', InvalidPassage, r"p\.jsonl:2: passage 'b' has text missing"),
        (b'{"id": "b", "text": "  "}', InvalidPassage, "expected a string with text"),
        (b'{"id": "b", "text": 5}', InvalidPassage, "has text int 5"),
        (
            b'{"text": "x"}',
            InvalidPassage,
            r"p\.jsonl:2: id is missing, expected a non-empty string",
        ),
        (
            b'{"id": true, "text": "x"}',
            InvalidPassage,
            r"p\.jsonl:2: id is bool True, expected a non-empty str",
        ),
        (b'{"id": "", "text": "x"}', InvalidPassage, "id is str ''"),
        (b'{"id": "b", "text": "x", "title": 1}', InvalidPassage, "title is int 1"),
        (b'{"id": "b", "text": "x", "metadata": [1]}', InvalidPassage, "metadata is list"),
        (b'{"id": "b", "text": "\\ud800"}', InvalidPassage, "lone surrogate"),
        (b"[" * 100_000, UnreadableFile, r"p\.jsonl:2: .*(invalid JSON|too deep)"),
    ],
)
def test_a_bad_line_is_named(
    tmp_path: Path, line: bytes, error: type[Exception], message: str
) -> None:
    path = write(tmp_path / "p.jsonl", jsonl(ROWS[:1]) + line + b"\n")
    with pytest.raises(error, match=message):
        list(read_passages(path))


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match="no such file"):
        list(read_passages(tmp_path / "absent.jsonl"))
    with pytest.raises(UnreadableFile, match="not a readable Parquet"):
        list(read_passages(write(tmp_path / "x.parquet", b"not parquet")))
    cut = gzip.compress(jsonl(ROWS * 1000))[:-20]
    with pytest.raises(UnreadableFile, match=r"cut\.gz"):
        list(read_passages(write(tmp_path / "cut.gz", cut)))
    pq.write_table(pa.table({"id": ["a"]}), tmp_path / "columns.parquet")
    with pytest.raises(InvalidPassage, match="lack"):
        list(read_passages(tmp_path / "columns.parquet"))


def test_a_corpus_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for empty in ([], read_passages(write(tmp_path / "empty.jsonl", b""))):
        with pytest.raises(EmptyCorpus):
            list(chunk_documents(empty))
    with pytest.raises(EmptyCorpus):
        list(read_passages(tmp_path / "empty"))
    with pytest.raises(DuplicateId, match=r"passage 1: id 'a' was used before"):
        list(chunk_documents([EXPECTED[0], EXPECTED[0]]))
    with pytest.raises(InvalidPassage, match="metadata is not JSON"):
        corpus_digest(map(passage_digest, [Passage("a", "x", metadata={"when": object()})]))


def test_the_digest_tells_corpora_apart() -> None:
    assert corpus_digest(map(passage_digest, EXPECTED)) == corpus_digest(
        passage_digest(as_passage(row, "")) for row in ROWS
    )
    changed = [
        EXPECTED[::-1],
        EXPECTED[:1],
        [Passage("a", "Some text.", "First", {"year": 2002}), EXPECTED[1]],
        [Passage("a", "Firsttext", "Some text."), EXPECTED[1]],
    ]
    digests = {corpus_digest(map(passage_digest, corpus)) for corpus in [EXPECTED, *changed]}
    assert len(digests) == 5
