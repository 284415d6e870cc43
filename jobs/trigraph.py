"""Build a passage index: spark-submit jobs/trigraph.py --passages PASSAGES --out DIR [...]."""

import argparse
import sys

from graphagg.errors import GraphAggError
from graphagg.rag.distributed.stages import NamedModels
from graphagg.rag.spark import build_with_spark
from graphagg.spark import create_session

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--passages", required=True, help="JSONL (.gz), Parquet or a folder of texts")
parser.add_argument("--out", required=True, help="index directory that all executors share")
parser.add_argument("--encoder", help="a sentence-transformers model that every worker can load")
parser.add_argument("--extractor", help="a spaCy pipeline, or blank:CODE")
parser.add_argument("--passages-a-task", type=int, default=2_000)
parser.add_argument("--force", action="store_true")

if __name__ == "__main__":
    given = parser.parse_args()
    try:
        index = build_with_spark(
            create_session("graphagg trigraph"),
            given.passages,
            given.out,
            models=NamedModels(given.encoder, given.extractor),
            passages_a_task=given.passages_a_task,
            progress=lambda stage, done, total: print(f"{stage}: done", file=sys.stderr),
            force=given.force,
        )
    except GraphAggError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)
    counts = index.manifest.counts
    print(f"{given.out}: {counts['passages']:,} passages, {counts['entities']:,} entities")
