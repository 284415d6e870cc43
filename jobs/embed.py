"""Embed a graph: spark-submit jobs/embed.py --edges EDGES --out DIR [...]."""

import sys

from graphagg.embedding.jobs import main

if __name__ == "__main__":
    sys.exit(main("embed", __doc__))
