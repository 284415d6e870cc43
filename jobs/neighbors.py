"""Nearest neighbors of a table of vertices.

spark-submit jobs/neighbors.py --index DIR --vertices TABLE --out OUT [...]
"""

from graphagg.cli.main import main

if __name__ == "__main__":
    main("job", "neighbors")
