"""Every job over Spark Connect, which has no RDDs and no JVM in the driver, equals one process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphagg.communities import CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.store.manifest import read_manifest
from tests.spark.test_passages import files, in_process, lines, passages
from tests.unit.embedding.graphs import communities

pytestmark = [pytest.mark.spark, pytest.mark.slow]
ROOT = Path(__file__).parents[2]

# A session that is not of Connect cannot live in the same process.
SCRIPT = """
import json, sys
from graphagg.cli.main import main
from graphagg.errors import GraphAggError
from graphagg.rag import PassageIndex
from graphagg.spark import SparkOptions
from graphagg.spark.session import create_session, is_classic
from tests.spark.test_passages import fakes

folder, codes = sys.argv[1], {}
settings = {"spark.sql.shuffle.partitions": "2", "spark.sql.warehouse.dir": folder + "/warehouse"}
spark = create_session("graphagg tests", remote="local[2]", settings=settings)
assert not is_classic(spark)

def job(name, edges, out, *more):
    sys.argv = [name, "--edges", f"{folder}/{edges}", "--out", f"{folder}/{out}", *more]
    try:
        main("job", name)
    except SystemExit as end:
        codes[name + " " + edges] = end.code or 0

small = ("--dim", "8", "--pieces", "3")
job("communities", "edges.txt", "communities")
job("embed", "edges.txt", "embedding", *small)
for edges in ("negative.txt", "absent.txt"):
    job("communities", edges, "refused")
options = SparkOptions(spark, items_per_task=9)
PassageIndex.build(f"{folder}/p.jsonl", f"{folder}/passages", engine=options, **fakes())
try:
    PassageIndex.build(f"{folder}/absent.jsonl", f"{folder}/refused", engine=options, **fakes())
except GraphAggError as error:
    codes["passages absent.jsonl"] = type(error).__name__
from graphagg.communities import CommunityIndex
edges = spark.read.csv(f"{folder}/edges.txt", sep="\\t", schema="src long, dst long")
with CommunityIndex.build(edges, f"{folder}/frame") as index:
    asked = edges.select("src").limit(3)
    codes["members"] = index.query_on_spark(asked, "src", k=2).count()
print(json.dumps(codes))
spark.stop()
"""


def test_every_job(tmp_path: Path) -> None:
    pairs, records = communities(120, 4), passages(20)
    edges = tmp_path / "edges.txt"
    edges.write_text("".join(f"{u}\t{v}\n" for u, v in pairs))
    (tmp_path / "negative.txt").write_text("1 -2\n")
    (tmp_path / "p.jsonl").write_text(lines(records), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable},
        capture_output=True, text=True, check=False, timeout=3600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "communities edges.txt": 0,
        "embed edges.txt": 0,
        "communities negative.txt": 2,
        "communities absent.txt": 2,
        "passages absent.jsonl": "UnreadableFile",
        "members": 6,
    }, done.stderr[-4000:]
    assert not (tmp_path / "refused").exists() and not (tmp_path / "refused.work").exists()
    CommunityIndex.build(str(edges), tmp_path / "local-communities").close()
    names = ("local-communities", "communities", "frame")
    local, *others = ((tmp_path / name / "manifest.json").read_bytes() for name in names)
    assert others == [local, local]
    config = EmbeddingConfig(dim=8, pieces=3)
    with (
        NodeEmbedding.build(str(edges), tmp_path / "local-embedding", config=config) as one,
        NodeEmbedding.open(tmp_path / "embedding", verify=True) as other,
    ):
        np.testing.assert_array_equal(one.piece_of_node, other.piece_of_node)
        np.testing.assert_allclose(one.vectors, other.vectors, atol=1e-5)
    in_process(records, tmp_path / "local-passages").close()
    assert files(tmp_path / "passages") == files(tmp_path / "local-passages")
    one, other = (read_manifest(tmp_path / n).to_json() for n in ("passages", "local-passages"))
    assert one == other
