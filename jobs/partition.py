"""The stages up to the partition; embed.py goes on.

spark-submit jobs/partition.py --edges EDGES --out DIR [...]
"""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("partition")
