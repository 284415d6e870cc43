"""Tables of Delta and Iceberg, in and out, by the PySpark that starts with the jars of both."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphagg.communities import CommunityIndex
from tests.cluster.inputs import SKETCH, skewed_pairs
from tests.cluster.jars import TABLES, pyspark_of_tables

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not pyspark_of_tables().exists(), reason="make cluster-tools brings them"),
]
ROOT = Path(__file__).parents[2]
SCRIPT = """
import json, sys
from pathlib import Path
from pyspark.sql import SparkSession
from graphagg.communities import CommunityIndex
from graphagg.rag import PassageIndex
from tests.cluster.inputs import SKETCH
from tests.spark.test_passages import Fakes

folder, packages = sys.argv[1:]
extensions = (
    "io.delta.sql.DeltaSparkSessionExtension,"
    "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
)
settings = {
    "spark.jars.packages": packages,
    "spark.sql.extensions": extensions,
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    "spark.sql.catalog.ice": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.ice.type": "hadoop",
    "spark.sql.catalog.ice.warehouse": folder + "/ice",
    "spark.sql.warehouse.dir": folder + "/warehouse",
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "2",
    "spark.databricks.delta.snapshotPartitions": "2",
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
}
builder = SparkSession.builder.master("local[2]")
for key, value in settings.items():
    builder = builder.config(key, value)
spark = builder.getOrCreate()
pairs = json.loads(Path(folder, "pairs.json").read_text())
edges = spark.createDataFrame([tuple(pair) for pair in pairs], "source long, target long")
edges.write.format("delta").saveAsTable("edges")
edges.writeTo("ice.db.edges").create()
seeds = edges.select("source").distinct().limit(5)
for name, table in (("delta", "table:edges"), ("iceberg", "table:ice.db.edges")):
    with CommunityIndex.build(table, folder + "/" + name, config=SKETCH) as index:
        members = index.query_on_spark(seeds, "source", k=3)
        if name == "delta":
            members.write.format("delta").saveAsTable("members")
        else:
            members.writeTo("ice.db.members").create()
counts = [spark.table(name).count() for name in ("members", "ice.db.members")]
assert counts[0] == counts[1] > 0, counts
by_path = "table:delta.`" + folder + "/warehouse/edges`"
CommunityIndex.build(by_path, folder + "/path", config=SKETCH).close()
spark.stop()
"""


def test_an_index_of_a_table_is_that_of_its_rows(tmp_path: Path) -> None:
    pairs = skewed_pairs(4)
    (tmp_path / "pairs.json").write_text(str([list(pair) for pair in pairs]))
    path, home = f"{pyspark_of_tables()}{os.pathsep}{ROOT}", str(pyspark_of_tables() / "pyspark")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), ",".join(TABLES)],
        env=os.environ | {"PYTHONPATH": path, "PYSPARK_PYTHON": sys.executable, "SPARK_HOME": home},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    CommunityIndex.build(pairs, tmp_path / "alone", config=SKETCH).close()
    names = ("alone", "delta", "iceberg", "path")
    assert len({(tmp_path / name / "manifest.json").read_bytes() for name in names}) == 1
