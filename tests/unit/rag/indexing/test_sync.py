"""A synced index is the index of what is there now, and computes only what is new."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import EmptyCorpus
from graphagg.rag import ChunkConfig, Passage, PassageIndex, read_documents
from graphagg.rag.documents.rows import RowConfig
from tests.fakes import CountingEncoder
from tests.unit.rag.corpora import (
    ENCODER,
    EXTRACTOR,
    METADATA,
    SENTENCES,
    TITLES,
    answers,
    assert_same_answers,
    build,
)

NAMES = ("a.md", "b.txt", "c/d.md", "c/e.txt", "f.md")

Files = dict[str, tuple[str, int]]
"""By path: the text, and the time of the last change."""
FILES: st.SearchStrategy[Files] = st.dictionaries(
    st.sampled_from(NAMES),
    st.tuples(
        st.builds(
            lambda title, sentences: (f"# {title}\n" if title else "") + " ".join(sentences),
            st.sampled_from(TITLES),
            st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=4),
        ),
        st.integers(0, 1),
    ),
    min_size=1,
)
SMALL = ChunkConfig(max_words=12, min_words=2)


def write(folder: Path, files: Files) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    for name, (text, changed) in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (changed, changed))
    return folder


@given(before=FILES, after=st.lists(FILES, min_size=1, max_size=3))
@settings(max_examples=4)
def test_a_synced_folder_is_a_rebuilt_one(before: Files, after: list[Files]) -> None:
    root = Path(tempfile.mkdtemp())
    try:
        corpus = read_documents(write(root / "files", before))
        with build(corpus, root / "idx", chunking=SMALL) as index:
            was = before
            for files in after:
                report = index.sync(read_documents(write(root / "files", files)))
                assert set(report.ids["added"]) == files.keys() - was.keys()
                assert set(report.ids["removed"]) == was.keys() - files.keys()
                same = {name for name in files.keys() & was.keys() if files[name] == was[name]}
                assert set(report.ids["replaced"]) == (files.keys() & was.keys()) - same
                assert report.unchanged == len(same)
                was = files
            with build(read_documents(root / "files"), root / "rebuilt", chunking=SMALL) as rebuilt:
                assert sorted(map(str, index)) == sorted(map(str, rebuilt))
                assert_same_answers(answers(index), answers(rebuilt))
                assert {**index.manifest.counts, "segments": 1} == rebuilt.manifest.counts
                assert index.schema == rebuilt.schema
    finally:
        shutil.rmtree(root)


@given(
    corpus=st.lists(
        st.builds(
            Passage,
            st.sampled_from("abcdefgh"),
            st.lists(st.sampled_from(SENTENCES), min_size=1, max_size=3).map(" ".join),
            st.sampled_from(TITLES),
            METADATA,
            st.sampled_from(["", "report"]),
            st.integers(0, 3),
        ),
        min_size=2,
        max_size=6,
        unique_by=lambda p: p.id,
    ),
    data=st.data(),
)
@settings(max_examples=4)
def test_what_is_said_of_texts_changes_without_a_model(
    corpus: list[Passage], data: st.DataObject
) -> None:
    """Ids, places and metadata are drawn anew, texts and titles stay: nothing is computed."""
    root = Path(tempfile.mkdtemp())
    try:
        with build(corpus, root / "idx") as index:
            ids = data.draw(st.permutations("abcdefghij"))
            changed = [
                Passage(name, p.text, p.title, data.draw(METADATA), p.document, p.position)
                for name, p in zip(ids, corpus, strict=False)
            ]
            encoder = CountingEncoder(window=12)
            with PassageIndex.open(root / "idx", encoder=encoder, extractor=EXTRACTOR) as other:
                report = other.sync(changed)
            assert encoder.encoded == []
            assert report.details["passages_added"] == report.details["passages_removed"]
            index.reopen()
            with build(changed, root / "rebuilt") as rebuilt:
                assert_same_answers(answers(index), answers(rebuilt))
                index.compact()
                ordered = list(index)
            with build(ordered, root / "again") as again:
                assert index.manifest.data == again.manifest.data  # the digest of all bytes
    finally:
        shutil.rmtree(root)


def test_only_new_texts_are_encoded(tmp_path: Path) -> None:
    corpus = [Passage(f"p{i}", f"{SENTENCES[i]} It is number{i}.") for i in range(8)]
    with build(corpus, tmp_path / "idx"):
        pass
    encoder = CountingEncoder(window=12)
    with PassageIndex.open(tmp_path / "idx", encoder=encoder, extractor=EXTRACTOR) as index:
        moved = Passage("moved", corpus[3].text, metadata={"year": 1990})
        report = index.sync([*corpus[:3], moved, *corpus[4:], Passage("new", "Ada met Byron.")])
    assert (report.ids["added"], report.ids["removed"]) == (("moved", "new"), ("p3",))
    assert report.unchanged == 7 and report.replaced == 0
    assert encoder.encoded == ["Ada met Byron."] * 2  # its window, and its sentence


def test_a_dry_run_and_an_equal_corpus_write_nothing(tmp_path: Path) -> None:
    corpus = [Passage("p", SENTENCES[0]), Passage("q", SENTENCES[1])]
    with build(corpus, tmp_path / "idx") as index:
        version = index.manifest.data
        report = index.sync(corpus[:1], dry_run=True)
        assert report.to_json() == {
            "added": 0, "replaced": 0, "removed": 1, "unchanged": 1,
            "passages_added": 0, "passages_removed": 1,
        }  # fmt: skip
        assert index.sync(corpus).is_empty
        assert index.manifest.data == version and len(index) == 2


def test_an_empty_corpus_deletes_nothing(tmp_path: Path) -> None:
    with build([Passage("p", SENTENCES[0])], tmp_path / "idx") as index:
        with pytest.raises(EmptyCorpus):
            index.sync([])
        assert "p" in index


def test_a_sync_goes_on_from_the_newest_version(tmp_path: Path) -> None:
    with build([Passage("p", SENTENCES[0])], tmp_path / "idx") as index:
        with PassageIndex.open(tmp_path / "idx", encoder=ENCODER, extractor=EXTRACTOR) as other:
            other.add([Passage("q", SENTENCES[1])])
        report = index.sync([Passage("q", SENTENCES[1])])
        assert (report.ids["removed"], report.unchanged) == (("p",), 1)


def test_changes_of_a_table_remember_its_columns(tmp_path: Path) -> None:
    columns = RowConfig(id_column="key", text_column="body")
    rows = [{"key": "a", "body": "Ada met Byron."}, {"key": "b", "body": "Byron wrote."}]
    newer = [{**rows[0], "body": "Ada met Babbage."}]
    with build(rows, tmp_path / "i", columns=columns) as index:
        assert index.config.columns == columns
        assert index.update(newer).replaced == index.update(newer, columns=columns).replaced == 1
        assert index.sync(rows).replaced == 1 and index.sync(rows, columns=columns).is_empty
        assert index.add([{"key": "c", "body": "Rents."}]).added == 1
        assert index.add([{"id": "d", "text": "Plain."}]).added == 1  # a row without the columns
        assert [p.id for p in index] == ["b", "a", "c", "d"] and index["a"].text == rows[0]["body"]
