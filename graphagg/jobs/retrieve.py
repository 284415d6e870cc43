"""Passages for questions: python -m graphagg.jobs.retrieve --index DIR [...]."""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("retrieve")
