"""What a job sends through Spark's shuffle and through its work folder, on a disk and on a store.

    make cluster-tools                    # brings the S3 server and the jars of hadoop-aws
    python -m benchmarks.exchange

Communities of random graphs of 1, 3 and 10 times `EDGES` edges, on a master and two workers of one
core. On a store the workers share no folder with the driver. Bytes of the store are the bodies of
all requests and answers that pass a proxy before the server, of Python and of Spark together; the
input is read from there, and the index goes there.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.report import Report
from graphagg.store.remote.files import Store
from tests.cluster.jars import jars
from tests.cluster.standalone import ROOT, Cluster, Done, standalone
from tests.store_remote.proxy import faulty
from tests.store_remote.server import BUCKET, Server, serving
from tests.store_remote.tools import versitygw

EDGES = 20_000
TIMES = (1, 3, 10)
JOB = str(ROOT / "tests" / "cluster" / "submitted.py")
_HEAD = ("edges", "way", "input", "index", "shuffle", "to store", "from store", "largest result")


def main() -> None:
    if not versitygw().exists() or not jars():
        raise SystemExit("no S3 server, or no jars; run: make cluster-tools")
    report = Report(Path("build/bench"))
    report.heading("Bytes of a job of communities, by what its tasks exchange through")
    root = Path(tempfile.mkdtemp())
    rows = []
    try:
        (root / "s3").mkdir()
        with serving(root / "s3") as server, standalone(root / "shared") as cluster:
            rows += [_shared(cluster, root, times) for times in TIMES]
        hidden = root / "hidden"
        hidden.mkdir()
        with serving(hidden) as server, standalone(hidden / "cluster", hidden=hidden) as cluster:
            rows += [_stored(cluster, server, hidden, times) for times in TIMES]
    finally:
        shutil.rmtree(root)
    report.table(_HEAD, [[f"{v:,}" if isinstance(v, int) else v for v in row] for row in rows])
    print(f"written: {report.save()}")


def _edges(folder: Path, times: int) -> Path:
    rng, count = np.random.default_rng(times), EDGES * times
    path = folder / f"edges{times}.txt"
    np.savetxt(path, rng.integers(0, count // 8, (count, 2)), fmt="%d")
    return path


def _shared(cluster: Cluster, root: Path, times: int) -> list[object]:
    edges, out = _edges(root, times), root / f"out{times}"
    done = cluster.run([JOB, "communities", str(edges), str(out), "--entries", "20000"])
    return _row(done, times, "shared disk", edges, _size(out), "-", "-")


def _stored(cluster: Cluster, server: Server, root: Path, times: int) -> list[object]:
    edges, name = _edges(root, times), f"out{times}"
    Store(server.at("in")).upload(edges, edges.name)
    with faulty(server) as (behind, seen):
        environment = behind.environment
        conf = {f"spark.executorEnv.{key}": value for key, value in environment.items()}
        conf |= {
            "spark.jars": ",".join(map(str, jars())),
            "spark.shuffle.readHostLocalDisk": "false",
        }
        job = [JOB, "communities", f"s3://{BUCKET}/in/{edges.name}", f"s3://{BUCKET}/{name}"]
        given = environment | {"GRAPHAGG_CACHE": str(root / "cache")}
        done = cluster.submit([*job, "--entries", "20000"], conf, given).wait()
        size = sum(found.bytes for found in Store(server.at(name)).listed("objects").values())
        return _row(done, times, "store", edges, size, seen.sent, seen.received)


def _row(
    done: Done, times: int, way: str, edges: Path, index: int, sent: object, received: object
) -> list[object]:
    assert done.code == 0, done.out[-2000:] + done.err[-2000:]
    return [
        f"{EDGES * times:,}", way, edges.stat().st_size, index, done.log.shuffled(), sent, received,
        done.log.largest_result(),
    ]  # fmt: skip


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
