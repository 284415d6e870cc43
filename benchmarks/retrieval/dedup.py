"""Near duplicates: recall against exact comparison, and CPU beside datasketch and rensa.

    python -m benchmarks.run dedup                                    200,000 generated texts
    python -m benchmarks.retrieval.dedup --texts 1e6 --peers 250000 A.jsonl.gz  real texts
    python -m benchmarks.retrieval.dedup --short 1e7    a file of short texts

Generated texts are paragraphs of 40 to 160 words of Zipf's law, three in ten of them copies of an
earlier one with 0 to 15 in 100 of their words exchanged (`texts`). Real ones are the `text` of each
line of files of JSON lines, and after them copies of a random one of those, edited likewise
(`edited`). The peers get the same shingles as sets of integers, so that splitting texts counts for
none of them; ours is timed with and without it. Short texts have 5 to 12 words, three in ten are
copies, half of these with another last word (`write_short`).
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import cost, resident
from benchmarks.peers import PEERS
from benchmarks.report import Report, parser_of
from graphagg.arrays import Mask, offsets
from graphagg.rag.config.corpus import DedupConfig
from graphagg.rag.corpus.dedup import TextSets, dedup, near_duplicates, text_sets

COUNT, PEERS_COUNT, SAMPLE = 200_000, 50_000, 2_000
_WORDS, _COPIES, _EDITS = 50_000, 0.3, 0.15
_BLOCK, _HASHES_AT_ONCE = 8_192, 1 << 22


def run(report: Report) -> None:
    report.heading("Near duplicates among texts")
    measure(report, texts(COUNT), PEERS_COUNT)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("sources", nargs="*", type=Path, help="files of JSON lines with `text`")
    parser.add_argument("--texts", type=float, default=COUNT, help="how many")
    parser.add_argument("--peers", type=float, default=PEERS_COUNT, help="of them for rensa")
    parser.add_argument("--short", type=float, help="how many short texts, from a file to a file")
    parser.add_argument("--out", type=Path, default=Path("build/bench/dedup"))
    chosen = parser.parse_args()
    count = int(chosen.texts)
    report = Report(chosen.out)
    if chosen.short:
        measure_short(report, int(chosen.short), chosen.out)
        print(report.save())
        return
    report.heading(f"Near duplicates among {count:,} texts")
    real = [text for path in chosen.sources for text in read(path)]
    if real:
        report.line(f"{len(real):,} real texts, and copies of them.")
    measure(report, edited(real, count) if real else texts(count), int(chosen.peers))
    print(report.save())


def measure(report: Report, written: list[str], peers: int) -> None:
    """Report on some texts; datasketch gets `PEERS_COUNT` of them at most, rensa `peers`."""
    config = DedupConfig(0.8)
    near_duplicates(text_sets(written[:100], config), config)  # compiled before the clock starts
    split = cost(lambda: sets_by_blocks(written, config))
    sets = split.result
    search = cost(lambda: near_duplicates(sets, config))
    kept = search.result[0] == np.arange(len(written))
    report.line(
        f"{len(written):,} texts, {len(sets.hashes):,} shingles: {split.cpu:.1f} CPU s to split "
        f"and sign them, {search.cpu:.1f} for tables and comparison; {kept.sum():,} texts stay."
    )
    recall, counted = sampled_recall(sets, kept, config)
    report.line(
        f"Of {counted:,} pairs at .8 of {SAMPLE:,} texts with all others, compared exactly, "
        f"{recall:.4f} do not both stay."
    )
    rows = []
    for name, count in (("rensa", peers), ("datasketch", min(peers, PEERS_COUNT))):
        some = first_of(sets, count)
        ours = cost(partial(near_duplicates, some, config)).cpu
        flat, bounds = (some.hashes >> np.uint64(32)).tolist(), some.bounds.tolist()
        sketch = (config.bands * config.rows, config.bands, config.rows)
        theirs = cost(partial(PEERS[name], flat, bounds, *sketch)).cpu
        rows.append([name, f"{count:,}", theirs, ours, f"{theirs / ours:.1f}"])
    report.line(
        "The same K, b and r; the peers fill their index, graphagg compares and chooses as well:"
    )
    report.table(["library", "texts", "CPU s", "CPU s of graphagg", "times graphagg"], rows)


def measure_short(report: Report, count: int, folder: Path) -> None:
    """Report on a file of short texts, read twice and written without near duplicates. Linux."""
    report.heading(f"Near duplicates among {count:,} short texts of a file")
    folder.mkdir(parents=True, exist_ok=True)
    source, few = folder / f"short.{count}.jsonl", folder / "few.jsonl"
    write_short(few, 100)
    dedup(few, folder / "kept.jsonl", DedupConfig(0.8))  # compiled before the clock starts
    if not source.exists():
        write_short(source.with_suffix(".part"), count)
        source.with_suffix(".part").rename(source)
    spent = cost(lambda: dedup(source, folder / "kept.jsonl", DedupConfig(0.8)))
    report.line(
        f"{source.stat().st_size:,} bytes, {spent.cpu:.0f} CPU s, peak "
        f"{resident('VmHWM') / 2**30:.2f} GiB: {spent.result}"
    )


def write_short(path: Path, count: int, random_state: int = 0) -> None:
    """Write short texts as JSON lines; copies are of texts of the same block."""
    rng = np.random.default_rng(random_state)
    names = [f"w{word}" for word in range(_WORDS)]
    with path.open("w", encoding="utf-8") as file:
        for low in range(0, count, _BLOCK):
            size = min(_BLOCK, count - low)
            words = (rng.random((size, 12)) ** 3 * _WORDS).astype(np.int64)
            lengths = rng.integers(5, 13, size)
            copies = np.flatnonzero(rng.random(size) < _COPIES)
            sources = rng.integers(0, size, len(copies))
            words[copies], lengths[copies] = words[sources], lengths[sources]
            changed = copies[rng.random(len(copies)) < 0.5]
            words[changed, lengths[changed] - 1] = rng.integers(0, _WORDS, len(changed))
            for i, (row, length) in enumerate(zip(words.tolist(), lengths.tolist(), strict=True)):
                text = " ".join(names[word] for word in row[:length])
                file.write(f'{{"id": "{low + i}", "text": "{text}"}}\n')


def sets_by_blocks(written: Sequence[str], config: DedupConfig) -> TextSets:
    """Shingles and signatures of many texts."""
    blocks = [
        text_sets(written[low : low + _BLOCK], config) for low in range(0, len(written), _BLOCK)
    ]
    lengths = np.concatenate([np.diff(block.bounds) for block in blocks])
    hashes, signatures = (np.concatenate([block[i] for block in blocks]) for i in (1, 2))
    return TextSets(offsets(lengths), hashes, signatures)


def first_of(sets: TextSets, count: int) -> TextSets:
    """The sets of the first texts."""
    bounds = sets.bounds[: count + 1]
    return TextSets(bounds, sets.hashes[: bounds[-1]], sets.signatures[:count])


def read(path: Path) -> list[str]:
    """The texts of a file of JSON lines."""
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def edited(real: Sequence[str], count: int, random_state: int = 0) -> list[str]:
    """Real texts, then copies of random ones; of each a share of the words is of another text."""
    rng = np.random.default_rng(random_state)
    words = [np.array(text.split(), dtype=object) for text in real]
    every = np.concatenate(words)
    written = [*real]
    for source in rng.integers(0, len(real), max(count - len(real), 0)).tolist():
        copy = words[source].copy()
        changed = rng.random(len(copy)) < rng.uniform(0, _EDITS)
        copy[changed] = every[rng.integers(0, len(every), int(changed.sum()))]
        written.append(" ".join(copy))
    return written[:count]


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


def sampled_recall(sets: TextSets, stays: Mask, config: DedupConfig) -> tuple[float, int]:
    """The share of the pairs of some texts that do not both stay, by counting shared shingles."""
    from scipy.sparse import csr_array

    n = len(sets.bounds) - 1
    chosen = np.sort(np.random.default_rng(1).choice(n, SAMPLE, replace=False))
    # No shingle matters but those of the chosen texts.
    names = np.unique(np.concatenate([sets.of(text) for text in chosen.tolist()]))
    columns, kept = [], np.zeros(len(sets.hashes) + 1, dtype=np.int32)
    for low in range(0, len(sets.hashes), _HASHES_AT_ONCE):
        block = sets.hashes[low : low + _HASHES_AT_ONCE]
        at = np.minimum(np.searchsorted(names, block), len(names) - 1)
        same = names[at] == block
        columns.append(at[same].astype(np.int32))
        kept[low + 1 : low + 1 + len(block)] = same
    bounds = np.cumsum(kept, dtype=np.int64)[sets.bounds]
    ones = np.ones(int(bounds[-1]), dtype=np.float32)
    matrix = csr_array((ones, np.concatenate(columns), bounds), shape=(n, len(names)))
    shared = (matrix[chosen] @ matrix.T).tocoo()
    sizes = np.diff(sets.bounds)
    a, b = chosen[shared.row], shared.col
    jaccard = shared.data / (sizes[a] + sizes[b] - shared.data)
    are_near = (jaccard >= config.threshold) & (a != b)
    pairs = int(np.count_nonzero(are_near))
    missed = int(np.count_nonzero(stays[a[are_near]] & stays[b[are_near]]))
    return 1 - missed / max(pairs, 1), pairs


if __name__ == "__main__":
    main()
