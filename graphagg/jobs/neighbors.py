"""Neighbors of a table of vertices: python -m graphagg.jobs.neighbors --index DIR [...]."""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("neighbors")
