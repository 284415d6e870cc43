"""Embed a graph: spark-submit jobs/embed.py --edges EDGES --out DIR [...]."""

from graphagg.cli.jobs.embedding import command
from graphagg.cli.jobs.run import main

if __name__ == "__main__":
    main(command("embed"), "embed")
