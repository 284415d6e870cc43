"""Communities of a table of seeds.

spark-submit jobs/query_communities.py --index DIR --seeds TABLE --out OUT [...]
"""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("query_communities")
