"""Near duplicates: pairs against brute force, what is kept, and the files that are written."""

from __future__ import annotations

import json
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import EmptyCorpus, InvalidParameter
from graphagg.graph.csr import Csr
from graphagg.minhash.bands import write_keys
from graphagg.minhash.signatures import Hashes, HashFamily, mix, signatures
from graphagg.rag import DedupConfig, dedup, read_passages
from graphagg.rag.corpus.dedup import files
from graphagg.rag.corpus.dedup.pairs import (
    _bucket_pairs,
    band_keys,
    choose,
    near_duplicates,
    shingles,
)
from tests.unit.commands import invoke

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


def keep_of(texts, config: DedupConfig):
    """Positions of the texts that stay, and the counts."""
    sets = shingles(texts, config)
    pairs = near_duplicates(sets, config)
    choice = choose(pairs, np.diff(sets.bounds))
    return np.flatnonzero(choice.kept).tolist(), files._report(choice, pairs)


def jaccard(a: set, b: set) -> float:
    return len(a & b) / len(a | b) if a | b else 0.0


@given(texts=TEXTS, length=st.integers(1, 4))
def test_shingles_are_those_of_the_definition(texts, length):
    config = DedupConfig(length=length)
    sets = shingles(texts, config)
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


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), threshold=st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_pairs_are_exact_by_equal_bands_and_what_goes_is_like_something_that_stays(seed, threshold):
    config = DedupConfig(threshold)
    texts = edited_texts(seed, 40)
    sets = shingles(texts, config)
    plain = [plain_shingles(text, config) for text in texts]
    found = near_duplicates(sets, config)
    pairs = dict(
        zip(
            zip(found.first.tolist(), found.second.tolist(), strict=True),
            found.similarity,
            strict=True,
        )
    )
    for (a, b), similarity in pairs.items():  # precision 1
        assert similarity == pytest.approx(jaccard(plain[a], plain[b])) and similarity >= threshold
    distinct = [i for i in range(len(texts)) if found.equal[i] == i]
    for i, text in enumerate(plain):
        assert found.equal[i] == min(j for j in range(len(texts)) if plain[j] == text)
    keys = band_keys(sets, np.array(distinct), config, range(config.bands))
    candidates = {
        (distinct[i], distinct[j])
        for i, j in combinations(range(len(distinct)), 2)
        if (keys[:, i] == keys[:, j]).any()
    }
    wanted = {pair for pair in candidates if jaccard(plain[pair[0]], plain[pair[1]]) >= threshold}
    assert set(pairs) == wanted
    with pytest.MonkeyPatch.context() as patch:  # a band after another: the keys of all take memory
        patch.setattr("graphagg.rag.corpus.dedup.pairs._KEYS_AT_ONCE", 1)
        for one, other in zip(found, near_duplicates(sets, config), strict=True):
            np.testing.assert_array_equal(one, other)
    choice = choose(found, np.diff(sets.bounds))  # what goes is like something that stays
    for i in range(len(texts)):
        kept = int(choice.of[i])
        assert choice.kept[kept] and choice.group[kept] == choice.group[i]
        assert choice.similarity[i] == pytest.approx(jaccard(plain[i], plain[kept]))
        assert len(plain[kept]) >= len(plain[i]) or found.equal[i] != i
    assert not any(choice.kept[a] and choice.kept[b] for a, b in pairs)
    assert all(choice.group[choice.group] == choice.group)


def test_keys_are_those_of_the_signatures():
    config = DedupConfig(0.7, permutations=64)
    sets = shingles(edited_texts(1, 30), config)
    tokens = (sets.hashes >> np.uint64(32)).astype(np.uint32)
    rows = Csr(sets.bounds, np.arange(len(tokens), dtype=np.int32), None, len(tokens))
    sig = signatures(rows, Hashes.of(mix(tokens), False, HashFamily(64, 1)))
    keys = np.empty((config.bands, 30), dtype=np.uint32)
    write_keys(sig, 0, 0, config.bands, config.rows, keys)
    np.testing.assert_array_equal(band_keys(sets, np.arange(30), config, range(config.bands)), keys)


@given(keys=st.lists(st.integers(0, 3), max_size=30).map(sorted), most=st.integers(1, 30))
def test_a_long_bucket_is_cut(keys, most):
    texts = np.arange(len(keys)) * 2
    entries = (np.array(keys, dtype=np.uint64) << np.uint64(32)) | texts.astype(np.uint64)
    pairs, cut = _bucket_pairs(entries, most)
    found = sorted((int(p) >> 32, int(p) & 0xFFFFFFFF) for p in pairs)
    assert len(set(found)) == len(found)
    buckets = [[2 * i for i, key in enumerate(keys) if key == each] for each in range(4)]
    every = {pair for bucket in buckets for pair in combinations(bucket, 2)}
    assert set(found) <= every
    assert cut == sum(len(bucket) > most + 1 for bucket in buckets)
    if not cut:
        assert set(found) == every
    for bucket in buckets:  # cut or not, a bucket stays connected through its first text
        assert {(bucket[0], other) for other in bucket[1:]} <= set(found)


def test_texts_without_a_word_are_like_nothing():
    kept, report = keep_of(
        ["...", "!!!", "one two three four", "one, two three four!"], DedupConfig()
    )
    assert kept == [0, 1, 2]
    assert (report.equal, report.near, report.groups) == (1, 0, 1)


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
    monkeypatch.setattr(files, "_TEXTS_AT_ONCE", 7)
    source, out = write(tmp_path), tmp_path / "kept.jsonl"
    report = dedup(source, out, DedupConfig(0.6), dropped=tmp_path / "dropped")
    kept, whole = list(read_passages(out)), {p.id: p for p in read_passages(source)}
    places, same = keep_of([p.text for p in whole.values()], DedupConfig(0.6))
    assert report == same and report.kept == len(kept) < report.texts == 60
    assert kept == [list(whole.values())[i] for i in places]
    dropped = [json.loads(line) for line in (tmp_path / "dropped").read_text().splitlines()]
    assert {d["id"] for d in dropped} == set(whole) - {p.id for p in kept}
    assert {d["kept"] for d in dropped} <= {p.id for p in kept}
    assert all(d["similarity"] >= 0.6 for d in dropped)
    assert report.pairs > 0
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
