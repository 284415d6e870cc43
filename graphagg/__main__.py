"""Runs the command line with `python -m graphagg`."""

from graphagg.cli.main import main

if __name__ == "__main__":
    main()
