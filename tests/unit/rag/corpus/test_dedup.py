"""Near duplicates: what is kept against brute force, and the files that are written."""

from __future__ import annotations

import json
import sys
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import EmptyCorpus, InvalidParameter
from graphagg.rag import DedupConfig, dedup, read_passages
from graphagg.rag.corpus.dedup import near_duplicates, text_sets
from tests.unit.commands import invoke

CONFIG, module = DedupConfig(0.6), sys.modules["graphagg.rag.corpus.dedup"]
WORDS = st.sampled_from(["a", "b", "ü", "cd", "Cd", "e1", "日本"])
TEXTS = st.lists(st.lists(WORDS, max_size=9).map(" ".join), min_size=1, max_size=12)


def plain_shingles(text: str, config: DedupConfig) -> set:
    """Shingles by definition."""
    kept = [c if (c.isascii() and c.isalnum()) or not c.isascii() else " " for c in text.casefold()]
    units = "".join(kept).split()
    if not units:
        return set()
    count = max(1, len(units) - config.length + 1)
    return {tuple(units[i : i + config.length]) for i in range(count)}


def jaccard(a: set, b: set) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


@given(texts=TEXTS, length=st.integers(1, 4))
def test_shingles_are_those_of_the_definition(texts, length):
    config = DedupConfig(length=length)
    sets = text_sets(texts, config)
    wanted = [plain_shingles(text, config) for text in texts]
    assert np.diff(sets.bounds).tolist() == list(map(len, wanted))
    hashes = [set(sets.of(i).tolist()) for i in range(len(texts))]
    for i, j in combinations(range(len(texts)), 2):
        assert len(hashes[i] & hashes[j]) == len(wanted[i] & wanted[j])
    for i in range(len(texts)):
        assert all(a < b for a, b in pairwise(sets.of(i).tolist()))


def edited_texts(seed: int, count: int) -> list[str]:
    """Texts, some of which are edits of others."""
    rng = np.random.default_rng(seed)
    texts: list[list[int]] = []
    for _ in range(count):
        if texts and rng.random() < 0.6:
            words = list(texts[rng.integers(len(texts))])
            for _ in range(rng.integers(0, 4)):
                words[rng.integers(len(words))] = int(rng.integers(50))
        else:
            words = rng.integers(0, 50, rng.integers(1, 60)).tolist()
        texts.append(words)
    return [" ".join(f"w{word}" for word in words) for words in texts]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_what_goes_is_like_a_text_that_stays_and_no_two_that_stay_share_a_band(seed, threshold):
    config = DedupConfig(threshold)
    texts = [*edited_texts(seed, 40), "", "..."]
    sets, plain = text_sets(texts, config), [plain_shingles(text, config) for text in texts]
    kept, similarity = near_duplicates(sets, config)
    for i, j in enumerate(kept.tolist()):
        assert kept[j] == j and similarity[i] == pytest.approx(jaccard(plain[i], plain[j]) or 1.0)
        assert similarity[i] >= threshold and (-len(plain[j]), j) <= (-len(plain[i]), i)
        assert plain[i] or i == j  # a text without a word is like no other
    bands = sets.signatures[:, : config.bands * config.rows].reshape(len(texts), config.bands, -1)
    stay = [i for i in range(len(texts)) if kept[i] == i and plain[i]]
    for i, j in combinations(stay, 2):
        if (bands[i] == bands[j]).all(axis=1).any():
            assert jaccard(plain[i], plain[j]) < threshold
    for i, j in combinations(range(len(texts)), 2):
        assert plain[i] != plain[j] or not plain[i] or kept[i] == kept[j]


def test_equal_texts_go_however_long_their_buckets_are(monkeypatch):
    texts = ["one two three four five", *(f"one two three four five {i}" for i in range(9))] * 3
    config = DedupConfig(1.0)
    monkeypatch.setattr(module, "BUCKET", 1)
    kept, _ = near_duplicates(text_sets(texts, config), config)
    assert sorted(set(kept.tolist())) == list(range(10))


def records() -> list[dict]:
    texts = edited_texts(5, 60)
    return [
        {"id": f"p{i}", "text": text, "title": f"T{i}" if i % 3 else "", "year": 1990 + i}
        for i, text in enumerate(texts)
    ]


def write(folder: Path) -> Path:
    source = folder / "passages.jsonl"
    source.write_text("".join(json.dumps(record) + "\n" for record in records()))
    return source


def test_files_hold_what_stays_and_why_the_rest_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_TEXTS_AT_ONCE", 7)
    source, out = write(tmp_path), tmp_path / "kept.jsonl"
    report = dedup(source, out, CONFIG, dropped=tmp_path / "dropped")
    kept, whole = list(read_passages(out)), {p.id: p for p in read_passages(source)}
    places, _ = near_duplicates(text_sets([p.text for p in whole.values()], CONFIG), CONFIG)
    assert report.kept == len(kept) == report.texts - report.equal - report.near < 60
    assert kept == [p for i, p in enumerate(whole.values()) if places[i] == i]
    dropped = [json.loads(line) for line in (tmp_path / "dropped").read_text().splitlines()]
    assert {d["id"] for d in dropped} == set(whole) - {p.id for p in kept}
    assert {d["kept"] for d in dropped} <= {p.id for p in kept}
    assert all(d["similarity"] >= 0.6 for d in dropped)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".dedup")]


def test_the_command_and_a_folder(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    texts = {"a.txt": "x y z " * 20, "b.md": "x y z " * 20, "c.txt": "other words here"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    report = dedup(folder, tmp_path / "kept.jsonl")
    assert (report.texts, report.kept) == (3, 2)
    source = write(tmp_path)
    arguments = ["dedup", str(source), "--threshold", "0.6", "--out", str(tmp_path / "k.jsonl")]
    shown = invoke(*arguments, "--json").json
    assert shown["kept"] == len((tmp_path / "k.jsonl").read_text().splitlines())
    assert "kept in" in invoke(*arguments).out


def test_bad_parameters(tmp_path):
    with pytest.raises(InvalidParameter, match=r"ends in \.jsonl"):
        dedup(write(tmp_path), tmp_path / "kept.csv")
    with pytest.raises(InvalidParameter, match="take more permutations"):
        DedupConfig(0.01)
    (tmp_path / "none.jsonl").write_text("")
    with pytest.raises(EmptyCorpus, match="no passage in it"):
        dedup(tmp_path / "none.jsonl", tmp_path / "kept.jsonl")
