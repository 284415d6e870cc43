"""Communities of a table of seeds.

python -m graphagg.jobs.query_communities --index DIR --seeds TABLE --out OUT [...]
"""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("query_communities")
