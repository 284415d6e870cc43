"""The phases up to the matrix; embed.py goes on: spark-submit jobs/prepare_graph.py --edges ..."""

import sys

from graphagg.embedding.jobs import main

if __name__ == "__main__":
    sys.exit(main("prepare", __doc__))
