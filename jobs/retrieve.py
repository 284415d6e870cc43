"""Passages for a table of questions.

spark-submit jobs/retrieve.py --index DIR --questions TABLE --out OUT [...]
"""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("retrieve")
