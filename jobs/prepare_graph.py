"""The phases up to the matrix; embed.py goes on: spark-submit jobs/prepare_graph.py --edges ..."""

from graphagg.cli.jobs.embedding import command
from graphagg.cli.jobs.run import main

if __name__ == "__main__":
    main(command("prepare_graph"), "prepare_graph")
