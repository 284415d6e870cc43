"""Embed a graph: python -m graphagg.jobs.embed --edges EDGES --out DIR [...]."""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("embed")
