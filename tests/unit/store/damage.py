"""Damages the files of indices at random, reads them, and reports what is no named error.

    python -m tests.unit.store.damage FOLDER SEED FIRST LAST

A line is written before each case, and one after it where it failed: when the process dies, the
last line says by which case.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

from graphagg import kernels
from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.errors import GraphAggError
from graphagg.nearest import search
from graphagg.rag import PassageIndex
from tests.unit.rag.corpora import ENCODER, EXTRACTOR, QUESTIONS, SENTENCES, TITLES

SECONDS = 600  # of a case that hangs; a loaded machine compiles kernels for minutes
EDGES = [(a, b) for a in range(40) for b in range(a) if (a * b) % 7 == 1 or a // 8 == b // 8]
DTYPES = ("|i1", "|u1", "|b1", "<i4", "<u2", "<i8", "<f4", "<f8", ">i8", "<U4", "<M8", "|V8", "|O8")


# --- the indices ---------------------------------------------------------------------------------


def passages(count: int, first: int = 0) -> list[dict[str, Any]]:
    rng = random.Random(first)
    return [
        {
            "id": f"p{n}",
            "text": " ".join(rng.choices(SENTENCES, k=3)),
            "title": rng.choice(TITLES),
            "metadata": {
                "n": n,
                "tags": ["a", "b"][: n % 3],
                "when": f"18{n:02}-01-01",
                "ok": True,
            },
        }
        for n in range(first, first + count)
    ]


def build(root: Path) -> None:
    """Build the indices that are damaged."""
    ways: dict[str, Any] = {"encoder": ENCODER, "extractor": EXTRACTOR, "profile": "fast"}
    with patch.object(search, "SMALL", 20), patch.object(search, "FLAT", 20):
        with PassageIndex.build(passages(40), root / "passages", **ways) as index:
            index.add(passages(5, 40))
            index.delete(["p3"])
            index.map()
    shutil.copytree(root / "passages" / "map", root / "map")
    PassageIndex.build(passages(3), root / "static", extractor=EXTRACTOR, profile="fast").close()
    named = [(f"v{a}", f"v{b}") for a, b in EDGES]
    weighted = [(a, b, 1.0 + a % 3) for a, b in EDGES]
    small = {"permutations": 32, "bands": 16}
    for kind, edges in (("undirected", EDGES), ("directed-in", named), ("two-mode", EDGES)):
        config = CommunityConfig(kind, **small)  # type: ignore[arg-type]
        CommunityIndex.build(edges, root / f"communities-{kind}", config=config).close()
    config = CommunityConfig(weights=True, **small)  # type: ignore[arg-type]
    CommunityIndex.build(weighted, root / "communities-weights", config=config).close()
    for kind, edges in (("undirected", EDGES), ("directed", named), ("two-mode", EDGES)):
        settings = EmbeddingConfig(kind=kind, dim=8)  # type: ignore[arg-type]
        NodeEmbedding.build(edges, root / f"embedding-{kind}", config=settings).close()


# --- what reads them -----------------------------------------------------------------------------


def read_passages(folder: Path, **models: Any) -> Iterator[Callable[[], object]]:
    with PassageIndex.open(folder, **models) as index:
        ids = ["p1", "p42", "absent"]
        yield lambda: (len(index), repr(index), index.schema, index.config)
        for question in QUESTIONS[:3]:
            for mode in ("multihop", "linearrag", "rrf", "dense", "bm25"):
                yield lambda q=question, m=mode: index.retrieve(q, 50, mode=m).to_arrow()
        for mode in ("multihop", "linearrag", "rrf", "dense", "bm25"):
            yield lambda m=mode: index.explain(QUESTIONS[0], "p2", mode=m).to_json()
        yield lambda: index.retrieve(QUESTIONS[0], 5, filter={"n": {"gte": 3}, "tags": "a"})
        yield lambda: index.retrieve(QUESTIONS[0], 5, exclude=["p5"])
        yield lambda: index.retrieve(QUESTIONS[0], 5, as_of="1830-01-01", recency=0.5)
        for identifier in ids:
            yield lambda i=identifier: (i in index, index[i].metadata)
            for by in ("text", "graph"):
                yield lambda i=identifier, by=by: index.similar_passages(i, by=by)
        for by in ("text", "graph"):
            yield lambda by=by: index.similar_entities("Ada", by=by)
        yield lambda: list(index)
        yield lambda: index.graph().to_networkx()
        yield lambda: index.map().to_arrow()


def change_passages(folder: Path, **models: Any) -> Iterator[Callable[[], object]]:
    with PassageIndex.open(folder, **models) as index:
        yield lambda: index.add(passages(2, 60))
        yield lambda: index.update(passages(2, 7))
        yield lambda: index.delete(["p1"])
        yield lambda: index.sync(passages(4))
        yield index.compact


def read_communities(folder: Path) -> Iterator[Callable[[], object]]:
    with CommunityIndex.open(folder) as index:
        seeds = ["v3", "v12"] if folder.name == "communities-directed-in" else [3, 12]
        yield lambda: (len(index), repr(index), list(index.vertices), list(index.elements))
        for method in ("minhash", "jaccard", "agglomerative", "pagerank", "fused"):
            for chosen in (seeds, seeds[:1]):
                yield lambda m=method, s=chosen: index.query(s, 10, method=m).to_arrow()
                yield lambda m=method, s=chosen: index.query(s, None, method=m).to_json()
        yield lambda: index.query(seeds, 5).to_networkx()
        yield lambda: index.signature_values(seeds[0])
        yield lambda: index.graph()


def change_communities(folder: Path) -> Iterator[Callable[[], object]]:
    with CommunityIndex.open(folder) as index:
        seeds = ["v3", "v12"] if folder.name == "communities-directed-in" else [3, 12]
        weights = (2.0,) if index.config.weights else ()
        yield lambda: index.add([(*seeds, *weights)])
        yield lambda: index.delete([tuple(seeds)])
        yield lambda: index.delete_vertices(seeds[:1])


def read_embedding(folder: Path) -> Iterator[Callable[[], object]]:
    with NodeEmbedding.open(folder) as index:
        seed: Any = "v3" if folder.name == "embedding-directed" else 3
        yield lambda: (len(index), repr(index), list(index.vertices), list(index.targets))
        for side in ("from", "to"):
            yield lambda s=side: index.neighbors(seed, 5, of=s).to_arrow()
            yield lambda s=side: (index.vector(seed, s), index.normalized(s))
        yield lambda: (index.partition_report, index.parts, index.vectors, index.target_vectors)


def change_embedding(folder: Path) -> Iterator[Callable[[], object]]:
    with NodeEmbedding.open(folder) as index:
        seed: Any = "v3" if folder.name == "embedding-directed" else 3
        yield lambda: index.add([(seed, "new" if isinstance(seed, str) else 999)])


def reader_of(name: str, changes: bool) -> Callable[[Path], Iterator[Callable[[], object]]]:
    if name in ("passages", "map", "static"):
        models = {} if name == "static" else {"encoder": ENCODER}
        read = change_passages if changes else read_passages
        return lambda folder: read(folder, extractor=EXTRACTOR, **models)
    if name.startswith("communities"):
        return change_communities if changes else read_communities
    return change_embedding if changes else read_embedding


# --- damage --------------------------------------------------------------------------------------


class Case:
    """A random damage to one file of one index, by a number.

    Attributes:
        name: of the index.
        file: below its folder.
        changes: whether the index is changed, and not read.
    """

    def __init__(self, root: Path, seed: int, number: int) -> None:
        rng = self.rng = random.Random(f"{seed} {number}")
        self.name = rng.choice(sorted(folder.name for folder in root.iterdir()))
        self.source = root / self.name
        self.manifest = json.loads((self.source / "manifest.json").read_bytes())
        files = [n for n in self.manifest["files"] if self.name != "static" or "encoder" in n]
        self.file = "manifest.json" if rng.random() < 0.06 else rng.choice(sorted(files))
        self.changes = self.name != "map" and rng.random() < 0.15
        self.way = rng.choice(["values", "values", "values", "cut", "dtype", "shape"])
        self.text = f"{seed} {number}: {self.name} {self.file} {self.way} changes={self.changes}"

    def write(self, folder: Path) -> None:
        """Write the damaged file into a copy, and correct its entry in the manifest."""
        if self.file == "manifest.json":
            text = json.dumps(self.manifest)
            content = self._cut(text.encode()) if self.way == "cut" else self._changed_json(text)
            replace_file(folder / self.file, content)
            return
        path = folder / self.manifest["data"] / self.file
        content, entry = path.read_bytes(), self.manifest["files"][self.file]
        if self.way == "cut":
            content = self._cut(content)
        elif self.file.endswith(".npy"):
            content = self._changed_array(content, entry)
        elif self.file.endswith(".json"):
            content = self._changed_json(content.decode())
        else:
            content = self._flipped(content, 0, 1)
        entry["bytes"], entry["sha256"] = len(content), hashlib.sha256(content).hexdigest()
        replace_file(path, content)
        replace_file(folder / "manifest.json", json.dumps(self.manifest).encode())

    def _cut(self, content: bytes) -> bytes:
        end = self.rng.choice([0, self.rng.randrange(len(content) + 1), len(content) - 1])
        return content[:end] + bytes(self.rng.choice([0, 0, 64]))

    def _changed_array(self, content: bytes, entry: dict[str, Any]) -> bytes:
        size = 10 + int.from_bytes(content[8:10], "little")
        head, values = content[:size], content[size:]
        width = int(entry["dtype"][2:])
        if self.way == "values":
            return head + self._flipped(values, int(self.rng.random() < 0.5), width)
        if self.way == "dtype":
            dtype = self.rng.choice(DTYPES)
            if math.prod(entry["shape"]) * int(dtype[2:] or 1) > len(values):
                values += bytes(8 * len(values))
            head = head.replace(entry["dtype"].encode(), dtype.encode())
            entry["dtype"] = dtype
            return head + values
        shape = [self.rng.choice([n, n + 1, max(n - 1, 0), 0, 10**15]) for n in entry["shape"]]
        shape = shape[: self.rng.choice([1, 9])] + [1] * self.rng.choice([0, 0, 1])
        entry["shape"] = shape
        text = repr({"descr": entry["dtype"], "fortran_order": False, "shape": tuple(shape)})
        text = text.replace("}", ", }") + " " * (size - len(text) - 13) + "\n"
        return content[:8] + len(text).to_bytes(2, "little") + text.encode() + values

    def _flipped(self, content: bytes, whole: int, width: int) -> bytes:
        """Set some numbers of `width` bytes to any value, or to one that is likely to harm."""
        changed, rng = bytearray(content), self.rng
        count = len(content) // width
        for at in rng.choices(range(count), k=rng.choice([1, 3, count])) if count else ():
            value = rng.choice([0, 1, -1, 5, 1 << 30, 1 << 62, rng.getrandbits(64), count])
            if not whole:
                old = int.from_bytes(content[at * width : (at + 1) * width], "little")
                value = old + rng.choice([1, -1, 2])
            value %= 1 << (8 * width)
            changed[at * width : (at + 1) * width] = value.to_bytes(width, "little")
        return bytes(changed)

    def _changed_json(self, text: str) -> bytes:
        """Replace, remove or deepen some values."""
        if self.rng.random() < 0.1:
            return self.rng.choice([b"", b"[]", b"[" * 100_000, b"\xff\xfe", b"null"])
        plain = json.loads(text)
        for _ in range(self.rng.choice([1, 1, 3])):
            place, key = plain, None
            while isinstance(place, dict | list) and place:
                parent = place
                key = self.rng.choice(
                    list(parent) if isinstance(parent, dict) else range(len(parent))
                )
                place = parent[key]
                if self.rng.random() < 0.2:
                    break
            if key is None:
                continue
            if self.rng.random() < 0.3:
                del parent[key]
            else:
                parent[key] = self.rng.choice(
                    [None, -1, 0, 10**18, 1.5, "", "x", [], {}, True, [None], {"a": 1}]
                )
        return json.dumps(plain).encode()


def replace_file(path: Path, content: bytes) -> None:
    path.unlink()
    path.write_bytes(content)


@contextmanager
def damaged(root: Path, case: Case, work: Path) -> Iterator[Path]:
    """A copy of an index with the damage of a case."""
    shutil.rmtree(work, ignore_errors=True)
    folder = work / ("passages" if case.name == "map" else case.name)
    shutil.copytree(root / folder.name, folder)
    case.write(folder / "map" if case.name == "map" else folder)
    yield folder


def run(root: Path, seed: int, number: int, work: Path) -> str | None:
    """Read one damaged index; returns what was raised and is no named error."""
    case = Case(root, seed, number)
    print(f"case {case.text}", flush=True)
    with damaged(root, case, work) as folder:
        steps = reader_of(case.name, case.changes)(folder)
        signal.alarm(SECONDS)
        try:
            for step in steps:
                with suppress(GraphAggError):
                    step()
        except GraphAggError:
            return None  # it cannot be opened
        except BaseException:
            return traceback.format_exc()
        finally:
            signal.alarm(0)
    return None


def main(folder: str, seed: str, first: str, last: str) -> None:
    root = Path(folder)
    warnings.simplefilter("ignore")
    kernels.Kernel.small_rows = 0
    with patch.object(search, "SMALL", 20):
        for number in range(int(first), int(last)):
            problem = run(root / "indices", int(seed), number, root / "work")
            if problem is not None:
                print(f"failed {json.dumps(problem)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
