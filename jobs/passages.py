"""Indexes a corpus: spark-submit jobs/passages.py --passages PASSAGES --out DIR [...]."""

from graphagg.cli.main import main

if __name__ == "__main__":
    main("job", "passages")
