"""Build a community index: python -m graphagg.jobs.communities --edges EDGES --out DIR [...]."""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("communities")
