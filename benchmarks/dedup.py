"""Near duplicates: recall against exact comparison, and CPU beside datasketch and rensa.

Texts are paragraphs of 40 to 160 words of Zipf's law, three in ten of them copies of an earlier one
with 0 to 15 in 100 of their words exchanged (`texts`). The peers get the same shingles as sets of
integers, so that splitting texts counts for none of them; ours is timed with and without it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.report import Report
from graphagg.rag.dedup.config import DedupConfig
from graphagg.rag.dedup.pairs import near_duplicates
from graphagg.rag.dedup.shingles import Sets, shingles

COUNT, PEERS_COUNT, SAMPLE = 200_000, 50_000, 2_000
_WORDS, _COPIES, _EDITS = 50_000, 0.3, 0.15


def run(report: Report) -> None:
    report.heading("Near duplicates among texts")
    config, written = DedupConfig(0.8), texts(COUNT)
    shingles(written[:100], config)
    near_duplicates(shingles(written[:100], config), config)  # compiled before the clock starts
    split, sets = timed(lambda: shingles(written, config))
    search, found = timed(lambda: near_duplicates(sets, config))
    report.line(
        f"{COUNT:,} texts, {len(sets.hashes):,} shingles: {split:.1f} CPU s to split them, "
        f"{search:.1f} for signatures, {len(found.first):,} pairs at .8 and their comparison."
    )
    recall, wanted = sampled_recall(sets, found, config)
    report.line(
        f"Recall {recall:.4f} of the {wanted:,} pairs at .8 of {SAMPLE:,} texts with all others, "
        "compared exactly; every pair that is given was compared exactly."
    )
    some = shingles(written[:PEERS_COUNT], config)
    flat, bounds = (some.hashes >> np.uint64(32)).tolist(), some.bounds.tolist()
    ours, _ = timed(lambda: near_duplicates(some, config))
    rows = [["graphagg, and all pairs compared", f"{ours:.2f}", ""]]
    for name, build in (("rensa", with_rensa), ("datasketch", with_datasketch)):
        cpu, _ = timed(partial(build, flat, bounds, config))
        rows.append([name, f"{cpu:.2f}", f"{cpu / ours:.1f}"])
    report.line(f"{PEERS_COUNT:,} texts, the same K, b and r; the peers fill their index:")
    report.table(["library", "CPU s", "times ours"], rows)


def texts(count: int, random_state: int = 0) -> list[str]:
    """Texts, some of them edits of others."""
    rng = np.random.default_rng(random_state)
    written: list[Any] = []
    for _ in range(count):
        if written and rng.random() < _COPIES:
            words = written[rng.integers(len(written))].copy()
            edited = rng.random(len(words)) < rng.uniform(0, _EDITS)
            words[edited] = rng.integers(0, _WORDS, int(edited.sum()))
        else:
            words = (rng.random(rng.integers(40, 160)) ** 3 * _WORDS).astype(np.int64)
        written.append(words)
    return [" ".join(f"w{word}" for word in words) for words in written]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of the process, and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def sampled_recall(sets: Sets, found: Any, config: DedupConfig) -> tuple[float, int]:
    """The share that was found of the pairs of some texts, by counting all shared shingles."""
    from scipy.sparse import csr_array

    n = len(sets.bounds) - 1
    names, columns = np.unique(sets.hashes, return_inverse=True)
    ones = np.ones(len(columns), dtype=np.float32)
    matrix = csr_array((ones, columns, sets.bounds), shape=(n, len(names)))
    distinct = np.flatnonzero(found.equal == np.arange(n))
    chosen = np.sort(np.random.default_rng(1).choice(distinct, SAMPLE, replace=False))
    shared = (matrix[chosen] @ matrix.T).tocoo()
    sizes = np.diff(sets.bounds)
    a, b = chosen[shared.row], shared.col
    jaccard = shared.data / (sizes[a] + sizes[b] - shared.data)
    wanted = (jaccard >= config.threshold) & (a != b) & (found.equal[b] == b)
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    hits = sum((min(x, y), max(x, y)) in pairs for x, y in zip(a[wanted], b[wanted], strict=True))
    return hits / max(int(wanted.sum()), 1), int(wanted.sum())


def with_rensa(values: list[int], offsets: list[int], config: DedupConfig) -> object:
    """rensa's own path from flat rows to a filled index."""
    from rensa import RMinHash, RMinHashLSH

    permutations = config.bands * config.rows
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        values, offsets, num_perm=permutations, seed=1
    )
    lsh = RMinHashLSH(threshold=config.threshold, num_perm=permutations, num_bands=config.bands)
    lsh.insert_matrix(matrix)
    return lsh, matrix


def with_datasketch(values: list[int], offsets: list[int], config: DedupConfig) -> object:
    """As fast as datasketch goes: batch updates, shared permutations, an insertion session."""
    from datasketch import MinHash, MinHashLSH

    permutations = config.bands * config.rows
    first = MinHash(num_perm=permutations, hashfunc=int)
    lsh = MinHashLSH(num_perm=permutations, params=(config.bands, config.rows))
    signatures = []
    with lsh.insertion_session() as session:
        for row in range(len(offsets) - 1):
            signature = MinHash(
                num_perm=permutations, hashfunc=int, permutations=first.permutations,
                scheme="affine32",
            )  # fmt: skip
            signature.update_batch(values[offsets[row] : offsets[row + 1]])
            session.insert(row, signature, check_duplication=False)
            signatures.append(signature)
    return lsh, signatures
