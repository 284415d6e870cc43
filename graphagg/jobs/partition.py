"""The stages up to the partition; embed.py goes on.

python -m graphagg.jobs.partition --edges EDGES --out DIR [...]
"""

from graphagg.cli.builds.jobs import main

if __name__ == "__main__":
    main("partition")
