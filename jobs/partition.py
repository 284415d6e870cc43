"""The phases up to the partition; embed.py goes on: spark-submit jobs/partition.py --edges ..."""

from graphagg.cli.jobs.embedding import command
from graphagg.cli.jobs.run import main

if __name__ == "__main__":
    main(command("partition"), "partition")
