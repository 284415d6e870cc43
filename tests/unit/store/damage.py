"""Damages the files of indices at random, reads them, and reports what is no named error.

    python -m tests.unit.store.damage build|named FOLDER
    python -m tests.unit.store.damage files|values FOLDER SEED FIRST LAST

`build` makes the indices in FOLDER/indices; `named` prints what each operation raises where all
values of an array are wrong. `files` damages one file in any way; `values` changes
values of one to three arrays, and runs a part of the reads, so that it does ten cases a second. A
line is written before each case, and one after it where it failed: when the process dies, the last
line says by which case.
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

import numpy as np

from graphagg import kernels
from graphagg.communities import CommunityConfig, CommunityIndex
from graphagg.communities.detection import detect
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.errors import GraphAggError
from graphagg.nearest import search
from graphagg.rag import PassageIndex, Recency
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
    named = [(f"v{a}", f"v{b}") for a, b in EDGES]
    small = {"permutations": 32, "bands": 16}
    for kind, edges in (("undirected", EDGES), ("directed-in", named), ("two-mode", EDGES)):
        config = CommunityConfig(kind, **small)  # type: ignore[arg-type]
        CommunityIndex.build(edges, root / f"communities-{kind}", config=config).close()
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
        yield lambda: index.retrieve(
            QUESTIONS[0], 5, as_of="1830-01-01", recency=Recency(0.1, 365.0)
        )
        for identifier in ids:
            yield lambda i=identifier: (i in index, index[i].metadata)
            yield lambda i=identifier: index.similar_passages(i)
        yield lambda: index.similar_entities("Ada")
        yield lambda: list(index)
        yield lambda: index.graph().passage_edges()
        yield lambda: index.map().to_arrow()


def change_passages(folder: Path, **models: Any) -> Iterator[Callable[[], object]]:
    with PassageIndex.open(folder, **models) as index:
        yield lambda: index.add(passages(2, 60))
        yield lambda: index.update(passages(2, 7))
        yield lambda: index.delete(["p1"])
        yield lambda: index.sync(passages(4))
        yield lambda: PassageIndex.merge([folder], folder / "merged")
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
        yield lambda: index.query(seeds, 5).structure()
        yield lambda: detect(index.graph())


def change_communities(folder: Path) -> Iterator[Callable[[], object]]:
    with CommunityIndex.open(folder) as index:
        seeds = ["v3", "v12"] if folder.name == "communities-directed-in" else [3, 12]
        yield lambda: index.add([tuple(seeds)])
        yield lambda: index.delete([tuple(seeds)])
        yield lambda: index.delete_vertices(seeds[:1])


def read_embedding(folder: Path) -> Iterator[Callable[[], object]]:
    with NodeEmbedding.open(folder) as index:
        seed: Any = "v3" if folder.name == "embedding-directed" else 3
        yield lambda: (len(index), repr(index), list(index.vertices), list(index.targets))
        for side in ("from", "to"):
            yield lambda s=side: index.neighbors(seed, 5, side=s).to_arrow()
            yield lambda s=side: (index.vector(seed, s), index.normalized(s))
        yield lambda: (index.partition_report, index.piece_of_node)
        yield lambda: (index.vectors, index.target_vectors)


def change_embedding(folder: Path) -> Iterator[Callable[[], object]]:
    with NodeEmbedding.open(folder) as index:
        seed: Any = "v3" if folder.name == "embedding-directed" else 3
        yield lambda: index.add([(seed, "new" if isinstance(seed, str) else 999)])


def reader_of(name: str, changes: bool) -> Callable[[Path], Iterator[Callable[[], object]]]:
    if name == "passages":
        read = change_passages if changes else read_passages
        return lambda folder: read(folder, extractor=EXTRACTOR, encoder=ENCODER)
    if name.startswith("communities"):
        return change_communities if changes else read_communities
    return change_embedding if changes else read_embedding


WRONG = (
    ("passages", "rows.by_id", 1 << 30),
    ("passages", "lexicon.rows", -1 << 30),
    ("passages", "s0.sentences.bounds", 1 << 60),
    ("communities-undirected", "sets.indices", 1 << 30),
    ("communities-two-mode", "holders.indices", -9),
    ("communities-directed-in", "holders.indptr", -1 << 60),
    ("embedding-undirected", "vertices", -1),
)
"""An index, one of its arrays, and a value that is out of range there."""


# --- damage --------------------------------------------------------------------------------------


class Case:
    """A random damage to files of one index, by a number.

    Attributes:
        name: of the index.
        files: below its folder.
        changes: whether the index is changed, and not read.
        share: of the reads that are run.
    """

    def __init__(self, root: Path, seed: int, number: int, what: str) -> None:
        rng = self.rng = random.Random(f"{seed} {number}")
        self.name = rng.choice(sorted(folder.name for folder in root.iterdir()))
        self.source = root / self.name
        self.manifest = json.loads((self.source / "manifest.json").read_bytes())
        files = list(self.manifest["files"])
        if what == "values":
            arrays = sorted(name for name in files if name.endswith(".npy"))
            self.files = rng.sample(arrays, min(rng.choice([1, 1, 2, 3]), len(arrays)))
            self.ways, self.share = ["values", "values", "order"], rng.choice([0.1, 0.3])
        else:
            self.files = ["manifest.json" if rng.random() < 0.06 else rng.choice(sorted(files))]
            self.ways, self.share = ["values"] * 3 + ["order", "cut", "dtype", "shape"], 1.0
        self.changes = rng.random() < (0.05 if what == "values" else 0.15)
        self.text = f"{what} {seed} {number}: {self.name} {self.files} changes={self.changes}"

    def write(self, folder: Path) -> None:
        """Write damaged files into a copy, and correct their entries in the manifest."""
        for file in self.files:
            self._write(folder, file)

    def _write(self, folder: Path, file: str) -> None:
        self.way = self.rng.choice(self.ways)
        if file == "manifest.json":
            text = json.dumps(self.manifest)
            content = self._cut(text.encode()) if self.way == "cut" else self._changed_json(text)
            replace_file(folder / file, content)
            return
        path = folder / self.manifest["data"] / file
        content, entry = path.read_bytes(), self.manifest["files"][file]
        if self.way == "cut":
            content = self._cut(content)
        elif file.endswith(".npy"):
            content = self._changed_array(content, entry)
        elif file.endswith(".json"):
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
        if self.way == "order":
            items = [values[i : i + width] for i in range(0, len(values), width)]
            self.rng.shuffle(items)
            return head + b"".join(items)
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
    folder = work / case.name
    shutil.copytree(root / folder.name, folder)
    case.write(folder)
    yield folder


def overwrite(folder: Path, name: str, value: int) -> None:
    """Set the inner values of an array to one value, and correct its checksum."""
    manifest = json.loads((folder / "manifest.json").read_bytes())
    file, path = f"{name}.npy", folder / manifest["data"] / f"{name}.npy"
    array = np.load(path)
    array.reshape(-1)[1:-1] = value  # the first and the last of offsets are checked at opening
    path.unlink()
    np.save(path, array)
    content = path.read_bytes()
    manifest["files"][file]["sha256"] = hashlib.sha256(content).hexdigest()
    replace_file(folder / "manifest.json", json.dumps(manifest).encode())


def outcomes(root: Path, name: str, array: str, value: int) -> list[list[str]]:
    """What each read, and each change, raises of an index whose values of one array are wrong."""
    every = []
    for changes in (False, True):
        folder = root / "work" / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(root / "indices" / name, folder)
        overwrite(folder, array, value)
        raised = []
        for step in reader_of(name, changes)(folder):
            try:
                step()
                raised.append("")
            except Exception as error:
                advice = " advises" * ("`graphagg verify " in str(error))
                raised.append(f"{type(error).__name__}{advice}")
        every.append(raised)
    return every


def run(root: Path, case: Case, work: Path) -> str | None:
    """Read one damaged index; returns what was raised and is no named error."""
    print(f"case {case.text}", flush=True)
    with damaged(root, case, work) as folder:
        steps = reader_of(case.name, case.changes)(folder)
        signal.alarm(SECONDS)
        try:
            for step in steps:
                if case.rng.random() < case.share:
                    with suppress(GraphAggError):
                        step()
        except GraphAggError:
            return None  # it cannot be opened
        except BaseException:
            return traceback.format_exc()
        finally:
            signal.alarm(0)
    return None


def main(what: str, folder: str, seed: str = "0", first: str = "0", last: str = "0") -> None:
    root = Path(folder)
    warnings.simplefilter("ignore")
    if what == "build":
        build(root / "indices")
    kernels.Kernel.small_rows = 0
    if what == "named":
        print(json.dumps([outcomes(root, *each) for each in WRONG]))
    with patch.object(search, "SMALL", 20):
        for number in range(int(first), int(last)):
            case = Case(root / "indices", int(seed), number, what)
            problem = run(root / "indices", case, root / f"work-{seed}-{first}")
            if problem is not None:
                print(f"failed {json.dumps(problem)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
