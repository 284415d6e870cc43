"""Build a community index: spark-submit jobs/communities.py --edges EDGES --out DIR [...]."""

from graphagg.cli.builds.communities import CommunitiesBuild
from graphagg.cli.builds.run import main

if __name__ == "__main__":
    main(CommunitiesBuild)
