"""`python -m benchmarks.retrieval.joined FOLDER`: four shards beside one index.

Every fourth passage goes to the same shard, so that links lead from shard to shard. Questions are
those of the set, and titles up to `--questions`; each is asked in every plain mode and the default,
and ids and scores must be equal. Then one shard is built again with other texts, one is missing,
and with `--spark` a table of so many questions is answered by Spark over the joined index.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.measure import cost
from benchmarks.retrieval.corpora import passages_of, questions
from graphagg.errors import GraphAggError
from graphagg.rag import Passage, PassageIndex
from graphagg.rag.config.modes import Mode

_SET, _SHARDS = "2wiki", 4
_MODES: tuple[Mode, ...] = ("bm25", "dense", "rrf", "multihop")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.retrieval.joined", description=__doc__
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--questions", type=int, default=500)
    parser.add_argument("--spark", type=int, default=0, help="questions of a table for Spark")
    chosen = parser.parse_args()
    folder, passages = chosen.folder, list(passages_of(_SET))
    names = [folder / f"shard{i}" for i in range(_SHARDS)]
    for i, name in enumerate(names):
        _built(passages[i::_SHARDS], name)
    ordered = [p for i in range(_SHARDS) for p in passages[i::_SHARDS]]
    asked = _asked(passages, chosen.questions)
    spent = cost(lambda: PassageIndex.merge(names, folder / "joined").close())
    print(f"joined in {spent.cpu:.1f} CPU s", flush=True)
    _compare(folder, ordered, asked, "four shards")
    if chosen.spark:
        _by_spark(folder / "joined", asked, chosen.spark)
    others = [_inode(name) for name in names]
    changed = [replace(p, text=p.text + " It was written anew.") for p in passages[1::_SHARDS]]
    _built(changed, names[1])
    PassageIndex.merge(names, folder / "joined").close()
    ordered = [p for i in range(_SHARDS) for p in (changed if i == 1 else passages[i::_SHARDS])]
    _compare(folder, ordered, asked[:50], "one shard replaced")
    kept = sum(a == b for a, b in zip(others, map(_inode, names), strict=True))
    print(f"shards whose files stayed: {kept} of {_SHARDS}")
    shutil.rmtree(names[2])
    try:
        PassageIndex.merge(names, folder / "joined")
    except GraphAggError as error:
        print(f"one missing: {type(error).__name__}: {error}")


def _built(passages: Iterable[Passage], directory: Path) -> None:
    PassageIndex.build(passages, directory, chunking=None, profile="fast").close()


def _inode(directory: Path) -> int:
    with PassageIndex.open(directory) as index:
        return index.snapshot.artifact.path("s0.windows.npy").stat().st_ino


def _asked(passages: Sequence[Passage], count: int) -> list[str]:
    gold = [q.text for q in (*questions(_SET, "tune", count), *questions(_SET, "test", count))]
    titles = [f"What is {p.title}?" for p in passages[:: max(1, len(passages) // count)]]
    return [*gold, *titles][:count]


def _compare(folder: Path, passages: list[Passage], asked: list[str], what: str) -> None:
    """Ask both indices; raises where an answer differs."""
    _built(passages, folder / "one")
    with PassageIndex.open(folder / "one") as one, PassageIndex.open(folder / "joined") as joined:
        for mode in _MODES:
            times = []
            for text in asked:
                answers = []
                for index in (one, joined):
                    ask = partial(index.retrieve, text, 5, mode=mode)
                    spent = cost(ask, time.thread_time)
                    times.append(spent.cpu)
                    hits = [(hit.passage.id, hit.score) for hit in spent.result]
                    answers.append((hits, spent.result.confidence))
                if answers[0] != answers[1]:
                    raise SystemExit(f"{what}, {mode}: {text!r} differs: {answers}")
            ms = [1000 * sorted(times[i::2])[len(asked) // 2] for i in (0, 1)]
            print(
                f"{what}, {mode}: {len(asked)} of {len(asked)} equal; ms p50 one {ms[0]:.1f}, "
                f"joined {ms[1]:.1f}",
                flush=True,
            )


def _by_spark(joined: Path, asked: list[str], count: int) -> None:
    """Answer a table of questions by Spark; its first rows must be those of this process."""
    from graphagg.spark.session import create_session

    spark = create_session("joined", "local[2]")
    texts = [(i, asked[i % len(asked)]) for i in range(count)]
    with PassageIndex.open(joined) as index:
        frame = spark.createDataFrame(texts, "n long, question string").repartition(8)
        spent = cost(lambda: index.retrieve_on_spark(frame, k=1).collect())
        expected = [hits[0].passage.id if hits else None for hits in index.retrieve_batch(asked, 1)]
    rows = {row["n"]: row["passage"] for row in spent.result}
    same = sum(rows.get(n) == expected[n % len(asked)] for n, _ in texts)
    print(f"Spark: {same:,} of {count:,} questions as in process, {spent.wall:.0f} s of wall time")
    spark.stop()


if __name__ == "__main__":
    main()
