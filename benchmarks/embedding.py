"""Node embeddings beside gensim's DeepWalk and pycleora, and how cost and memory grow.

    python -m benchmarks.embedding                  all parts
    python -m benchmarks.embedding --part peers     one of peers, partitioners, growth, memory,
                                                    workers

CPU is process CPU time (user and system, all threads), so that no peer hides threads. Ratios are
medians of pairs, ours and the peer's one after the other, after a warm-up; DeepWalk, which takes
minutes, is run once. `growth` and `memory` write their plots beside the report.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from benchmarks.peak import resident
from benchmarks.report import Report
from tests.conftest import DATA as ROOT

DATA = ROOT / "graphs"
GRAPHS = {"blogcatalog": "blogcatalog/blogcatalog.mat", "ca-astroph": "ca-astroph/astro-ph-cc1.jlg"}
LABELS = DATA / "blogcatalog" / "blogcatalog.cmty"
PIECES, SHUFFLES = 16, 10
PARTS = ("peers", "partitioners", "growth", "memory", "workers")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--edges", type=int, nargs="+", default=[10**5, 10**6, 10**7])
    parser.add_argument("--out", type=Path, default=Path("build/bench"))
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    result: dict[str, object] = {}
    for part in chosen.part or PARTS:
        if part == "peers":
            result[part] = {name: bench_peers(name) for name in GRAPHS}
        elif part == "partitioners":
            result[part] = bench_partitioners()
        elif part == "growth":
            result[part] = bench_growth(chosen.edges, chosen.out)
        elif part == "memory":
            result[part] = bench_memory(chosen.out)
        else:
            result[part] = bench_workers()
    json.dump(result, sys.stdout, indent=1)
    print()


def run(report: Report) -> None:
    """All parts, for the common report."""
    for name in GRAPHS:
        report.heading(f"Embeddings: {name} beside gensim and pycleora")
        if not DATA.is_dir():
            report.line(f"skipped: {DATA} is absent; set GRAPHAGG_DATA")
            continue
        rows = bench_peers(name)
        header = sorted({key for row in rows.values() for key in row})
        table = [[peer, *(row.get(key, "") for key in header)] for peer, row in rows.items()]
        report.table(["", *header], table)
    report.folder.mkdir(parents=True, exist_ok=True)
    report.heading("Embeddings: CPU seconds against edges (generated graphs)")
    growth = bench_growth([10**5, 10**6, 10**7], report.folder)
    report.table(["edges", "CPU s", "peak GiB"], growth["rows"])
    report.line(f"slope on log-log axes {growth['slope']:.3f}; plot: embedding-growth.png")
    report.heading("Embeddings: peak memory of a worker's largest task against graph and piece")
    header = ["edges", "entries a piece", "pieces", "peak MiB"]
    report.table(header, bench_memory(report.folder))
    report.line("plot: embedding-memory.png")


# --- peers ---------------------------------------------------------------------------------------


def bench_peers(name: str, pairs: int = 3) -> dict[str, dict[str, float]]:
    """CPU seconds and quality of each, on the same graph (ca-astroph: on its split)."""
    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.build import embed
    from graphagg.embedding.evaluation.splits import split_edges
    from graphagg.embedding.prone.network import Network
    from graphagg.graph import load_graph

    whole = load_graph(DATA / GRAPHS[name])
    split = None if name == "blogcatalog" else split_edges(whole, None, 0.3, 0)
    graph = whole if split is None else split.train
    embedders: dict[str, Callable[[], np.ndarray]] = {}
    for passes in (1, 2):
        config = EmbeddingConfig(pieces=PIECES, propagate=passes)
        embedders[f"graphagg, {passes} propagations"] = lambda config=config: (
            embed(Network.of(graph), config).vectors
        )
    embedders["pycleora"] = lambda: pycleora_vectors(graph, 256)
    embedders["pycleora, d = 128"] = lambda: pycleora_vectors(graph, 128)
    found = {}
    for peer, make in embedders.items():
        vectors = make()  # warms up
        found[peer] = {"cpu s": statistics.median(timed(make)[1] for _ in range(pairs))}
        found[peer] |= quality(vectors, whole, split)
        print(name, peer, found[peer], file=sys.stderr, flush=True)
    ours, theirs = embedders["graphagg, 1 propagations"], embedders["pycleora"]
    ratios = [timed(theirs)[1] / timed(ours)[1] for _ in range(pairs)]
    found["pycleora"]["times our cpu"] = round(statistics.median(ratios), 2)
    vectors, seconds = timed(lambda: deepwalk_vectors(graph))
    own = timed(ours)[1]
    found["gensim DeepWalk"] = {"cpu s": seconds, "times our cpu": round(seconds / own, 1)}
    found["gensim DeepWalk"] |= quality(vectors, whole, split)
    return found


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    start = time.process_time()
    result = work()
    return result, round(time.process_time() - start, 3)


def quality(vectors: np.ndarray, whole, split) -> dict[str, float]:
    from graphagg.embedding.evaluation.classification import FRACTIONS, classify
    from graphagg.embedding.evaluation.labels import read_labels
    from graphagg.embedding.evaluation.measure import auc
    from graphagg.embedding.prone.sparse import normalize_rows

    if split is not None:
        found = {}
        for name, rows in (("auc dot", vectors), ("auc cosine", normalize_rows(vectors))):
            parts = [
                np.einsum("ij,ij->i", rows[p[0]], rows[p[1]])
                for p in (split.positive, split.uniform)
            ]
            found[name] = round(auc(*parts), 4)
        return found
    labels = read_labels(LABELS, whole.rows).matrix
    found = {}
    for fraction in FRACTIONS:
        scores = [classify(vectors, labels, fraction, seed) for seed in range(SHUFFLES)]
        found[f"micro {fraction}"] = round(float(np.mean([s.micro for s in scores])), 4)
        found[f"macro {fraction}"] = round(float(np.mean([s.macro for s in scores])), 4)
    return found


def pycleora_vectors(graph, dim: int) -> np.ndarray:
    """pycleora's `embed` with its defaults but for the length of a vector."""
    import pycleora

    rows, columns = graph.pairs()
    lines = (f"{u} {v}" for u, v in zip(rows.tolist(), columns.tolist(), strict=True))
    matrix = pycleora.SparseMatrix.from_iterator(lines, "complex::reflexive::node")
    found = pycleora.embed(matrix, feature_dim=dim)
    vectors = np.zeros((len(graph.rows), found.shape[1]), dtype=np.float32)
    vectors[np.array(matrix.entity_ids, dtype=np.int64)] = found
    return vectors


def deepwalk_vectors(graph) -> np.ndarray:
    """10 walks of 80 a vertex, window 10, one epoch, by gensim with one worker."""
    from gensim.models import Word2Vec

    matrix, generator = graph.adjacency, np.random.default_rng(0)
    degrees = matrix.degrees()
    walks = []
    for _ in range(10):
        walk = np.empty((len(graph.rows), 80), dtype=np.int64)
        walk[:, 0] = generator.permutation(len(graph.rows))
        walk = walk[degrees[walk[:, 0]] > 0]
        for step in range(1, 80):
            at = walk[:, step - 1]
            draws = (generator.random(len(at)) * degrees[at]).astype(np.int64)
            walk[:, step] = matrix.indices[matrix.indptr[at] + draws]
        walks += walk.astype(str).tolist()
    model = Word2Vec(
        walks, vector_size=128, window=10, min_count=0, sg=1, workers=1, epochs=1, seed=0
    )
    vectors = np.zeros((len(graph.rows), 128), dtype=np.float32)
    vectors[np.array(model.wv.index_to_key, dtype=np.int64)] = model.wv.vectors
    return vectors


# --- partitioners --------------------------------------------------------------------------------

CUT_GRAPHS = {
    "ca-astroph": ("ca-astroph/astro-ph-cc1.jlg", "undirected"),
    "email-enron": ("email-enron/email-enron.jlg", "undirected"),
    "blogcatalog": ("blogcatalog/blogcatalog.mat", "undirected"),
    "soc-Epinions1": ("soc-Epinions1/soc-Epinions1.txt.gz", "directed"),
    "web-NotreDame": ("web-NotreDame/web-NotreDame.txt.gz", "directed"),
}
CUT_PIECES = (8, 46)


def bench_partitioners() -> list[dict[str, object]]:
    """Cut, balance, copies, CPU seconds and AUC of each partitioner, on graphs with 30 % held out.

    The training graph of split 0 is cut and embedded; AUC is that of the dot products.
    """
    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.build import embed
    from graphagg.embedding.evaluation.splits import split_edges
    from graphagg.embedding.partition.cut import partition
    from graphagg.embedding.prone.network import Network
    from graphagg.graph import load_graph

    rows = []
    for name, (path, kind) in CUT_GRAPHS.items():
        split = split_edges(load_graph(DATA / path, kind), None, 0.3, 0)
        network = Network.of(split.train)
        for pieces in CUT_PIECES:
            for partitioner in ("metis", "streaming"):
                config = EmbeddingConfig(pieces=pieces, partitioner=partitioner, kind=kind)
                partition(network.matrix, config)  # warms up
                (_, report), seconds = timed(lambda c=config, m=network.matrix: partition(m, c))
                vectors, level = embed(network, config).vectors, report.levels[-1]
                row = {"graph": name, "partitioner": partitioner, "pieces": pieces}
                for figure in ("cut", "edge_balance", "vertex_balance", "copies"):
                    row[figure] = round(getattr(level, figure), 4)
                row["auc"] = link_auc(vectors, split)
                row["cpu s"] = seconds
                print(row, file=sys.stderr, flush=True)
                rows.append(row)
    return rows


def link_auc(vectors: np.ndarray, split) -> float:
    from graphagg.embedding.evaluation.measure import auc

    first = 0 if split.train.kind == "undirected" else len(split.train.rows)
    scores = [
        np.einsum("ij,ij->i", vectors[pairs[0]], vectors[first + pairs[1]])
        for pairs in (split.positive, split.uniform)
    ]
    return round(auc(*scores), 4)


# --- growth --------------------------------------------------------------------------------------


def grouped_edges(edges: int, random_state: int = 0) -> np.ndarray:
    """A graph of 10 vertices a 100 edges: three in four within groups of 500, `[edges, 2]`.

    The rest join vertices drawn in proportion to rank^-0.6, so that degrees have a tail.
    """
    generator = np.random.default_rng(random_state)
    vertices = edges // 10
    first = generator.integers(0, vertices, edges)
    near = first // 500 * 500 + generator.integers(0, 500, edges)
    drawn = np.minimum((vertices * generator.random(edges) ** 2.5).astype(np.int64), vertices - 1)
    anywhere = generator.permutation(vertices)[drawn]
    second = np.where(generator.random(edges) < 0.75, np.minimum(near, vertices - 1), anywhere)
    return np.stack((first, second), axis=1)


def bench_growth(sizes: list[int], folder: Path) -> dict[str, object]:
    """CPU seconds of an embedding by edges, each in a process of its own, and the slope."""
    rows = []
    context = multiprocessing.get_context("spawn")
    for edges in sizes:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_embed_generated, args=(edges, sender))
        process.start()
        sender.close()
        seconds, peak = receiver.recv()
        process.join()
        rows.append((edges, round(seconds, 2), round(peak, 3)))
        print(f"{edges:,} edges: {seconds:.1f} CPU s, {peak:.2f} GiB", file=sys.stderr, flush=True)
    slope = float(np.polyfit(np.log([r[0] for r in rows]), np.log([r[1] for r in rows]), 1)[0])
    plot_growth(folder / "embedding-growth.png", rows, slope)
    return {"rows": rows, "slope": slope}


def _embed_generated(edges: int, sender) -> None:
    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.build import embed
    from graphagg.embedding.prone.network import Network
    from graphagg.graph import load_graph

    config = EmbeddingConfig(max_piece_edges=200_000)
    embed(Network.of(load_graph(grouped_edges(20_000))), config)  # compiles
    network = Network.of(load_graph(grouped_edges(edges)))
    start = time.process_time()
    embed(network, config)
    sender.send((time.process_time() - start, round(resident("VmHWM") / 2**30, 3)))
    sender.close()


def plot_growth(path: Path, rows: list[tuple], slope: float) -> None:
    figure, (axes,) = figure_of(1)
    edges, seconds = [row[0] for row in rows], [row[1] for row in rows]
    axes.loglog(edges, seconds, "o-", label=f"graphagg, slope {slope:.2f}")
    linear = [seconds[0] * e / edges[0] for e in edges]
    axes.loglog(edges, linear, "--", color="gray", linewidth=1, label="slope 1")
    for at in zip(edges, seconds, strict=True):
        text = f"{at[1]:.1f} s"
        axes.annotate(text, at, (-6, 5), textcoords="offset points", ha="right", fontsize=8)
    axes.set_xlim(edges[0] / 2.5, edges[-1] * 2)
    axes.set_ylim(seconds[0] / 2.5, seconds[-1] * 3)
    axes.set_xlabel("edges")
    axes.set_ylabel("CPU seconds of the embedding")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


def figure_of(panels: int):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.6 * panels + 0.6, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, panels, squeeze=False)[0]


# --- memory --------------------------------------------------------------------------------------

LEAF_EDGES = (10**5, 3 * 10**5, 10**6)
LEAF_PIECES = (50_000, 100_000, 200_000, 400_000, 800_000)
SPARK_RUNS = ((40_000, 40_000), (120_000, 40_000), (120_000, 120_000), (120_000, 360_000))


def bench_memory(folder: Path) -> list[tuple[int, int, int, float]]:
    """Peak memory of a process that decomposes the heaviest piece, the largest task of a worker.

    Rows are edges, entries a piece may have (an edge is two), pieces, and MiB: larger graphs in
    pieces of one size, then larger pieces of the largest graph.
    """
    graphs = [leaf_memory(edges, LEAF_PIECES[0]) for edges in LEAF_EDGES]
    pieces = [graphs[-1]] + [leaf_memory(LEAF_EDGES[-1], size) for size in LEAF_PIECES[1:]]
    plot_memory(folder / "embedding-memory.png", graphs, pieces)
    return graphs + pieces[1:]


def leaf_memory(edges: int, entries: int) -> tuple[int, int, int, float]:
    """Cut a generated graph, and decompose its heaviest piece in a process of its own."""
    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.partition.cut import partition
    from graphagg.embedding.partition.pieces import Layout
    from graphagg.embedding.prone.engine import in_process
    from graphagg.embedding.prone.network import Network
    from graphagg.graph import load_graph

    config = EmbeddingConfig(max_piece_edges=entries)
    matrix = Network.of(load_graph(grouped_edges(edges))).matrix
    parts, report = partition(matrix, config)
    count = report.levels[-1].pieces
    layout = Layout.of(parts, count)
    engine = in_process(matrix, layout, config)
    engine.prepare()
    logs = (engine.log_matrix(engine.piece(i)) for i in range(count))
    leaf = max(logs, key=lambda found: len(found.indices))
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_decompose, args=(leaf, config.rank(count), config.iterations, sender)
    )
    process.start()
    sender.close()
    row = (edges, entries, count, receiver.recv())
    process.join()
    print(f"memory of a leaf {row}", file=sys.stderr, flush=True)
    return row


def _decompose(leaf, rank: int, iterations: int, sender) -> None:
    from graphagg.embedding.prone.leaf import scaled_right_vectors

    scaled_right_vectors(leaf, rank, iterations, [0, 0])
    sender.send(round(resident("VmHWM") / 2**20, 1))
    sender.close()


def bench_workers() -> list[tuple[int, int, int, float]]:
    """The same rows for the Python workers of whole Spark runs, on small graphs: minutes each."""
    return [worker_memory(*run) for run in SPARK_RUNS]


def worker_memory(edges: int, entries: int) -> tuple[int, int, int, float]:
    """Embed a generated graph by Spark, in pieces of at most so many entries."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from graphagg.embedding import EmbeddingConfig
    from graphagg.embedding.spark_build import build_with_spark
    from graphagg.spark.session import create_session

    config = EmbeddingConfig(max_piece_edges=entries, partitioner="streaming")
    spark = create_session("memory", "local[2]", {"spark.sql.shuffle.partitions": "8"})
    with tempfile.TemporaryDirectory() as name:
        pairs = grouped_edges(edges)
        source = Path(name) / "edges.parquet"
        pq.write_table(pa.table({"src": pairs[:, 0], "dst": pairs[:, 1]}), source)
        start = time.monotonic()
        with _Watch() as watch:
            index = build_with_spark(spark, str(source), Path(name) / "a", config=config)
        pieces = index.report.levels[-1].pieces
        index.close()
    spark.stop()
    row = (edges, entries, pieces, round(watch.peak / 2**20, 1))
    wall = time.monotonic() - start
    print(f"memory {row} in {watch.looks} looks, {wall:.0f} s", file=sys.stderr, flush=True)
    return row


def plot_memory(path: Path, graphs: list[tuple], pieces: list[tuple]) -> None:
    figure, (left, right) = figure_of(2)
    left.plot([row[0] for row in graphs], [row[-1] for row in graphs], "o-")
    left.set_title(f"larger graphs, pieces of {graphs[0][1]:,} entries", fontsize=10)
    left.set_xlabel("edges of the graph")
    right.plot([row[1] for row in pieces], [row[-1] for row in pieces], "o-", color="tab:orange")
    right.set_title(f"larger pieces, a graph of {pieces[0][0]:,} edges", fontsize=10)
    right.set_xlabel("entries a piece may have (an edge is two)")
    left.set_ylabel("peak memory of the largest task, MiB")
    for axes, column, rows in ((left, 0, graphs), (right, 1, pieces)):
        for row in rows:
            shown, at = f"{row[2]} pieces", (row[column], row[-1])
            axes.annotate(shown, at, (0, 7), textcoords="offset points", ha="center", fontsize=7)
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xticks([row[column] for row in rows], [f"{row[column]:,}" for row in rows])
        axes.set_xlim(rows[0][column] / 1.5, rows[-1][column] * 1.5)
        axes.set_ylim(0, 1.15 * max(row[-1] for row in graphs + pieces))
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)


class _Watch:
    """The largest resident memory, mapped files left out, of a Python worker meanwhile."""

    def __init__(self) -> None:
        self.peak = self.looks = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._done.wait(0.05):
            self.looks += 1
            for process in psutil.Process().children(recursive=True):
                try:
                    if "pyspark.daemon" in process.cmdline():  # the JVM names pyspark too
                        held = process.memory_info()
                        self.peak = max(self.peak, held.rss - held.shared)
                except psutil.Error:
                    continue


if __name__ == "__main__":
    main()
