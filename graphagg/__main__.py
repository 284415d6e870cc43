"""`python -m graphagg`: the command line."""

from graphagg.cli.main import main

if __name__ == "__main__":
    main()
