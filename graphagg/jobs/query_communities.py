"""Communities of seeds: python -m graphagg.jobs.query_communities --index DIR [...]."""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("query_communities")
