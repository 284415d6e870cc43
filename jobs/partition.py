"""The phases up to the partition; embed.py goes on: spark-submit jobs/partition.py --edges ..."""

import sys

from graphagg.embedding.jobs import main

if __name__ == "__main__":
    sys.exit(main("partition", __doc__))
