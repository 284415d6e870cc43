"""Indices on an S3 server on this machine: push, pull and open, compared with plain copies.

    make cluster-tools                    # installs the server
    graphagg rag index PASSAGES --out IDX
    python -m benchmarks.serving.stores IDX

Both sides run five times in alternation; figures are medians of the last four. CPU is that of this
process (all threads), without the server. A plain copy compares no checksums and publishes nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

from benchmarks.measure import cost, in_turn, median_cost
from benchmarks.report import Report
from graphagg.rag import PassageIndex
from graphagg.store import manifest_at, verify_at
from graphagg.store.addresses import Address
from graphagg.store.remote.files import Store, in_parallel
from graphagg.store.remote.pulling import pull
from graphagg.store.remote.pushing import push
from tests.store_remote.server import Server, serving
from tests.store_remote.tools import versitygw

ROUNDS, OPENS = 5, 50
SENTENCE = " The bridge of Kolmård was opened by Ada Lindqvist in 1931."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path, help="a passage index; it is copied, not modified")
    source = parser.parse_args().index
    if not versitygw().exists():
        parser.error("no S3 server; run: make cluster-tools")
    report = Report(Path("build/bench"))
    root = Path(tempfile.mkdtemp())
    os.environ["GRAPHAGG_CACHE"] = str(root / "cache")
    try:
        shutil.copytree(source, root / "idx")
        (root / "s3").mkdir()
        with serving(root / "s3") as server:
            _measure(report, server, root)
    finally:
        shutil.rmtree(root)
    print(f"written: {report.save()}")


def _measure(report: Report, server: Server, root: Path) -> None:
    index, address = root / "idx", server.at("idx")
    files = manifest_at(index).files
    size = sum(entry.bytes for entry in files.values())
    report.heading(f"An index of {size:,} bytes in {len(files)} files on an S3 server, loopback")
    columns = ("step", "wall s", "CPU s", "plain wall s", "plain CPU s", "ratio of wall")
    report.table(columns, [_pushes(server, index), *_pulls(address, root)])
    first = cost(lambda: PassageIndex.open(address).close())
    report.table(
        ("opening", "wall ms", "CPU ms"),
        [
            (
                "cold: the first, downloads the index",
                f"{1000 * first.wall:.0f}",
                f"{1000 * first.cpu:.0f}",
            ),
            ("warm, median", *_opened(address)),
            ("the same from a local folder", *_opened(index)),
        ],
    )
    report.table(
        ("one changed passage", "objects", "bytes", "wall s"), _change(address, root, size)
    )


def _pushes(server: Server, index: Path) -> tuple[object, ...]:
    store, files = Store(server.at("plain")), [path for path in index.rglob("*") if path.is_file()]
    pushes, copies = count(), count()

    def put() -> None:
        folder = next(copies)
        in_parallel(lambda path: store.write(f"{folder}/{path.name}", path), files)

    return "push against put", *_pair(lambda: push(index, server.at(f"n{next(pushes)}")), put)


def _pulls(address: Address, root: Path) -> list[tuple[object, ...]]:
    push(root / "idx", address)
    store, target = Store(address), root / "target"

    def fresh(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            shutil.rmtree(target, ignore_errors=True)
            work()

        return run

    def get() -> None:
        target.mkdir()
        names = list(store.listed("objects"))
        in_parallel(lambda name: (target / Path(name).name).write_bytes(store.read(name)), names)

    copied = _pair(fresh(lambda: pull(address, target)), fresh(get))
    verified = _pair(lambda: verify_at(address), fresh(get))
    return [("pull against get", *copied), ("verify against get", *verified)]


def _change(address: Address, root: Path, size: int) -> list[tuple[object, ...]]:
    pull(address, root / "here")
    with PassageIndex.open(root / "idx") as index:
        first = next(iter(index))
        index.update([replace(first, text=first.text + SENTENCE)])
    wall, sent = cost(lambda: push(root / "idx", address))[1:]
    rows: list[tuple[object, ...]] = [("push", sent.sent, f"{sent.sent_bytes:,}", f"{wall:.2f}")]
    wall, brought = cost(lambda: pull(address, root / "here"))[1:]
    share = f"{brought.fetched_bytes:,} of {size:,}"
    return [*rows, ("pull", brought.fetched, share, f"{wall:.2f}")]


def _opened(location: os.PathLike[str]) -> tuple[str, str]:
    """Return the median wall and CPU milliseconds to open an index."""
    median = median_cost([cost(lambda: PassageIndex.open(location).close()) for _ in range(OPENS)])
    return f"{1000 * median.wall:.1f}", f"{1000 * median.cpu:.1f}"


def _pair(ours: Callable[[], object], plain: Callable[[], object]) -> tuple[object, ...]:
    """Return the median wall and CPU of both, in alternation, after one warm-up run of each."""
    costs = in_turn({"ours": ours, "plain": plain}, ROUNDS - 1, time.process_time)
    medians = [median_cost(spent) for spent in costs.values()]
    pairs = zip(costs["ours"], costs["plain"], strict=True)
    ratio = statistics.median(own.wall / peer.wall for own, peer in pairs)
    shown = [seconds for median in medians for seconds in (median.wall, median.cpu)]
    return tuple(f"{each:.2f}" for each in (*shown, ratio))


if __name__ == "__main__":
    main()
