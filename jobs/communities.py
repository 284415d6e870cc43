"""Build a community index: spark-submit jobs/communities.py --edges EDGES --out DIR [...]."""

import argparse
import sys

from graphagg.communities import IndexConfig
from graphagg.communities.spark import build_with_spark
from graphagg.errors import GraphAggError
from graphagg.spark import create_session

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--edges", required=True, help="Parquet with src and dst, or text (.gz)")
parser.add_argument("--out", required=True, help="index directory that all executors share")
parser.add_argument("--kind", default="undirected", help="undirected, directed-in, ...")
parser.add_argument("--closed", action=argparse.BooleanOptionalAction, default=None)
parser.add_argument("--permutations", type=int, default=128)
parser.add_argument("--bands", type=int, default=64)
parser.add_argument("--rows", type=int, default=2)
parser.add_argument("--ids", default="auto", help="auto, integer or string")
parser.add_argument("--force", action="store_true")

if __name__ == "__main__":
    given = parser.parse_args()
    try:
        config = IndexConfig(given.kind, given.closed, given.permutations, given.bands, given.rows)
        spark = create_session("graphagg communities")
        index = build_with_spark(
            spark, given.edges, given.out, config=config, ids=given.ids, force=given.force
        )
    except GraphAggError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    print(f"{given.out}: {len(index):,} vertices, {index.manifest.counts['edges']:,} edges")
    spark.stop()
