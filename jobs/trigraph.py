"""Build a passage index: spark-submit jobs/trigraph.py --passages PASSAGES --out DIR [...]."""

from graphagg.cli.builds.passages import PassagesBuild
from graphagg.cli.builds.run import main

if __name__ == "__main__":
    main(PassagesBuild)
