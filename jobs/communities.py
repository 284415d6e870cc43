"""Build a community index: spark-submit jobs/communities.py --edges EDGES --out DIR [...]."""

from graphagg.cli.jobs.communities import communities
from graphagg.cli.jobs.run import main

if __name__ == "__main__":
    main(communities, "communities")
