"""Read a graph and number its nodes; partition.py and embed.py go on.

python -m graphagg.jobs.prepare_graph --edges EDGES --out DIR [...]
"""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("prepare_graph")
