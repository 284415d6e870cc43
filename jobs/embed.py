"""Embeds a graph: spark-submit jobs/embed.py --edges EDGES --out DIR [...]."""

from graphagg.cli.main import main

if __name__ == "__main__":
    main("job", "embed")
