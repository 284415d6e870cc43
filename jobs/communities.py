"""Builds a community index: spark-submit jobs/communities.py --edges EDGES --out DIR [...]."""

from graphagg.cli.main import main

if __name__ == "__main__":
    main("job", "communities")
