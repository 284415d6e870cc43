"""Index a corpus: spark-submit jobs/passages.py --passages PASSAGES --out DIR [...]."""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("passages")
