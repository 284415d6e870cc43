"""Build a passage index: spark-submit jobs/trigraph.py --passages PASSAGES --out DIR [...]."""

from graphagg.cli.jobs.run import main
from graphagg.cli.jobs.trigraph import trigraph

if __name__ == "__main__":
    main(trigraph, "trigraph")
