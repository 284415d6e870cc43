"""FAISS gets a file with lists only if this library would write it for these vectors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphagg.errors import CorruptArtifact
from graphagg.nearest.search import VectorSearch, indexed, to_bytes
from graphagg.nearest.vectors import Queries, encode, rotated
from tests.unit.nearest.units import unit

COUNT, DIMENSION = 150, 12
CODES = encode(unit(np.random.default_rng(0), COUNT, DIMENSION))
QUERY = Queries(unit(np.random.default_rng(1), 1, DIMENSION))
KIND = "IVF4,PQ6x4fsr"
FILE = to_bytes(indexed(CODES)).tobytes()


@pytest.mark.parametrize("dimension", [DIMENSION, DIMENSION - 1])
@pytest.mark.parametrize("distinct", [COUNT, 2])
def test_what_is_written_is_read(tmp_path: Path, dimension: int, distinct: int) -> None:
    """Two distinct vectors leave most lists empty."""
    every = encode(unit(np.random.default_rng(0), COUNT, dimension))
    codes, path = every[np.arange(COUNT) % distinct], tmp_path / "i.faiss"
    query = Queries(unit(np.random.default_rng(1), 1, dimension))
    index = indexed(codes)
    index.nprobe = index.nlist
    path.write_bytes(to_bytes(index).data)
    search, plain = VectorSearch(path, codes), faiss.read_index(str(path))
    assert sorted(search.nearest(query, COUNT).tolist()) == [*range(COUNT)]
    if distinct == COUNT:  # of equal vectors any may be first
        for each in (index, plain):
            ids = each.search(query.rotated.astype(np.float32), 10)[1][0]
            assert search.nearest(query, 10).tolist() == ids.tolist()


@settings(deadline=None, max_examples=150)
@given(
    st.integers(0, 2**20),
    st.binary(min_size=1, max_size=2) | st.sampled_from([b"\xff" * 8, bytes(8), b"\x7f" * 4]),
)
def test_changed_bytes_are_refused_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, at: int, changed: bytes
) -> None:
    content = bytearray(FILE)
    at %= len(content) - len(changed)
    content[at : at + len(changed)] = changed
    path = tmp_path_factory.mktemp("f") / "i.faiss"
    path.write_bytes(content)
    try:
        search = VectorSearch(path, CODES)
        search.check()
    except CorruptArtifact:
        return
    search.index.nprobe = search.index.nlist
    found = search.nearest(QUERY, COUNT).tolist()
    assert len({*found}) == len(found) and {*found} <= {*range(COUNT)}


def with_ids(*ids: int, kind: str = KIND) -> Any:
    """An index whose last vectors have other ids."""
    index = faiss.index_factory(DIMENSION, kind, faiss.METRIC_INNER_PRODUCT)
    index.train(rotated(CODES))
    index.add_with_ids(rotated(CODES), np.array([*range(COUNT - len(ids)), *ids]))
    return index


def with_quantizer(rows: int, dimension: int) -> Any:
    index, quantizer = with_ids(), faiss.IndexFlatIP(dimension)
    quantizer.add(np.ones((rows, dimension), np.float32))
    index.quantizer, index.own_fields = quantizer, False
    index.referenced_objects = [quantizer]
    return index


def with_other(name: str, value: int) -> Any:
    index = with_ids()
    setattr(index, name, value)
    return index


def on_disk(folder: Path) -> Any:
    index = with_ids(kind="IVF4,SQ8")
    lists = faiss.OnDiskInvertedLists(index.nlist, index.code_size, str(folder / "lists"))
    lists.merge_from_1(index.invlists)
    index.replace_invlists(lists, False)
    index.referenced_objects = [lists]
    return index


def mapped() -> Any:
    index = with_ids()
    index.make_direct_map()
    return index


def of_type(kind: str, metric: int = faiss.METRIC_INNER_PRODUCT) -> Any:
    index = faiss.index_factory(DIMENSION, kind, metric)
    index.train(rotated(CODES))
    index.add(rotated(CODES))
    return index


OTHERS = ("HNSW8,SQ8", "IVF4,Flat", "IVF4,PQ6x4", "IVF4,SQ4", "IVF4,SQ8", "PCA6,IVF4,SQ8",
          "IVF4_HNSW8,SQ8", "IVF4,PQ6x4fs,Refine(SQ8)", "PQ6x4fs", "Flat", "SQ8")  # fmt: skip
FORGED: dict[str, Callable[[Path], Any]] = {
    "on disk": on_disk,
    "map of ids": lambda _: mapped(),
    "metric": lambda _: of_type(KIND, faiss.METRIC_L2),
    "negative id": lambda _: with_ids(-5),
    "large id": lambda _: with_ids(1 << 40),
    "id of the next": lambda _: with_ids(COUNT),
    "id twice": lambda _: with_ids(0),
    "more centroids": lambda _: with_quantizer(50, DIMENSION),
    "fewer centroids": lambda _: with_quantizer(3, DIMENSION),
    "longer centroids": lambda _: with_quantizer(4, DIMENSION + 1),
    "count": lambda _: with_other("ntotal", COUNT - 1),
    "probes": lambda _: with_other("nprobe", 5),
    "no probes": lambda _: with_other("nprobe", 0),
} | {kind: lambda _, kind=kind: of_type(kind) for kind in OTHERS}  # type: ignore[misc]


@pytest.mark.parametrize("harm", FORGED)
def test_faiss_never_gets_a_forged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: str
) -> None:
    path = tmp_path / "i.faiss"
    path.write_bytes(to_bytes(FORGED[harm](tmp_path)).data)
    monkeypatch.delattr(faiss, "read_index")
    with pytest.raises(CorruptArtifact, match=r"i\.faiss: .*expected.*build the index again"):
        VectorSearch(path, CODES).check()


def test_a_shorter_or_longer_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, content = tmp_path / "i.faiss", FILE
    monkeypatch.delattr(faiss, "read_index")
    lengths = {*range(0, 200), *range(200, len(content), 97), len(content) - 1}
    for changed in (content + b"\0", *(content[:length] for length in lengths)):
        path.write_bytes(changed)
        with pytest.raises(CorruptArtifact, match=r"i\.faiss: "):
            VectorSearch(path, CODES).check()
