"""Communities of a table of seeds.

spark-submit jobs/query_communities.py --index DIR --seeds TABLE --out OUT [...]
"""

from graphagg.cli.main import main

if __name__ == "__main__":
    main("job", "query_communities")
