"""Index a corpus: python -m graphagg.jobs.passages --passages PASSAGES --out DIR [...]."""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("passages")
