"""Embed a graph: spark-submit jobs/embed.py --edges EDGES --out DIR [...]."""

from graphagg.cli.builds.embedding import EmbeddingBuild
from graphagg.cli.builds.run import main

if __name__ == "__main__":
    main(EmbeddingBuild)
