"""The stages up to the matrix; embed.py goes on: spark-submit jobs/prepare_graph.py --edges ..."""

from graphagg.cli.builds.embedding import GraphPreparation
from graphagg.cli.builds.run import main

if __name__ == "__main__":
    main(GraphPreparation)
