"""Passages for a table of questions.

python -m graphagg.jobs.retrieve --index DIR --questions TABLE --out OUT [...]
"""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("retrieve")
