"""Indices on an S3 server on this machine: push, pull and open, beside plain copies by fsspec.

    make cluster-tools                    # brings the server
    graphagg rag index PASSAGES --out IDX
    python -m benchmarks.stores IDX

Every pair is run five times in turn; medians of the last four. CPU is that of this process, all
threads, which does not hold the server's. A plain copy compares no checksums and publishes nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks.report import Report
from graphagg.rag import PassageIndex
from graphagg.store import manifest_at
from graphagg.store.addresses import Address
from graphagg.store.remote.files import Store
from graphagg.store.remote.pulling import pull
from graphagg.store.remote.pushing import push
from graphagg.store.remote.verifying import verify
from tests.store_remote.server import Server, serving
from tests.store_remote.tools import versitygw

ROUNDS, OPENS = 5, 50
SENTENCE = " The bridge of Kolmård was opened by Ada Lindqvist in 1931."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path, help="a passage index; it is copied, not changed")
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
    index, place = root / "idx", server.at("idx")
    files = manifest_at(index).files
    size = sum(entry.bytes for entry in files.values())
    report.heading(f"An index of {size:,} bytes in {len(files)} files on an S3 server, loopback")
    columns = ("step", "wall s", "CPU s", "plain wall s", "plain CPU s", "ratio of wall")
    report.table(columns, [_pushes(server, index), *_pulls(place, root)])
    first = _timed(lambda: PassageIndex.open(place).close())[:2]
    report.table(
        ("opening", "wall ms", "CPU ms"),
        [
            ("cold: the first, brings the index", *(f"{1000 * each:.0f}" for each in first)),
            ("warm, median", *_opened(place)),
            ("the same from a local folder", *_opened(index)),
        ],
    )
    report.table(("one changed passage", "objects", "bytes", "wall s"), _change(place, root, size))


def _pushes(server: Server, index: Path) -> tuple[object, ...]:
    fs = Store(server.at("")).fs
    numbers = iter(range(ROUNDS))

    copies = iter(range(ROUNDS))

    def copy() -> None:
        fs.put(f"{index}/", f"bucket/plain{next(copies)}/", recursive=True)

    return "push, beside put", *_pair(lambda: push(index, server.at(f"n{next(numbers)}")), copy)


def _pulls(place: Address, root: Path) -> list[tuple[object, ...]]:
    push(root / "idx", place)
    fs, target = Store(place).fs, root / "target"

    def fresh(work: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            shutil.rmtree(target, ignore_errors=True)
            work()

        return run

    def get() -> None:
        fs.get(f"{place.host}/{place.path}/objects/", f"{target}/", recursive=True)

    copied = _pair(fresh(lambda: pull(place, target)), fresh(get))
    verified = _pair(lambda: verify(place), fresh(get))
    return [("pull, beside get", *copied), ("verify, beside get", *verified)]


def _change(place: Address, root: Path, size: int) -> list[tuple[object, ...]]:
    pull(place, root / "here")
    with PassageIndex.open(root / "idx") as index:
        first = next(iter(index))
        index.update([replace(first, text=first.text + SENTENCE)])
    wall, _, sent = _timed(lambda: push(root / "idx", place))
    rows: list[tuple[object, ...]] = [("push", sent.sent, f"{sent.sent_bytes:,}", f"{wall:.2f}")]
    wall, _, brought = _timed(lambda: pull(place, root / "here"))
    share = f"{brought.fetched_bytes:,} of {size:,}"
    return [*rows, ("pull", brought.fetched, share, f"{wall:.2f}")]


def _opened(location: os.PathLike[str]) -> Iterator[str]:
    """Median wall and CPU milliseconds of opening."""
    runs = [_timed(lambda: PassageIndex.open(location).close())[:2] for _ in range(OPENS)]
    return (f"{1000 * statistics.median(part):.1f}" for part in zip(*runs, strict=True))


def _pair(ours: Callable[[], object], plain: Callable[[], object]) -> tuple[object, ...]:
    """Medians of wall and CPU of both, in turn, after a turn of each that does not count."""
    runs = [(_timed(ours)[:2], _timed(plain)[:2]) for _ in range(ROUNDS)][1:]
    (wall, cpu), (plain_wall, plain_cpu) = (
        [statistics.median(run[which][part] for run in runs) for part in (0, 1)] for which in (0, 1)
    )
    ratio = statistics.median(ours[0] / other[0] for ours, other in runs)
    shown = (f"{each:.2f}" for each in (wall, cpu, plain_wall, plain_cpu, ratio))
    return tuple(shown)


def _timed(work: Callable[[], object]) -> tuple[float, float, object]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


if __name__ == "__main__":
    main()
