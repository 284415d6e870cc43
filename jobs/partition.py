"""The stages up to the partition; embed.py goes on: spark-submit jobs/partition.py --edges ..."""

from graphagg.cli.builds.embedding import Partitioning
from graphagg.cli.builds.run import main

if __name__ == "__main__":
    main(Partitioning)
