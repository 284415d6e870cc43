"""Passages for a table of questions.

spark-submit jobs/retrieve.py --index DIR --questions TABLE --out OUT [...]
"""

from graphagg.cli.main import main

if __name__ == "__main__":
    main("job", "retrieve")
