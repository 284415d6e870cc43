"""The Spark jobs: options, the plan, logging and exit codes; `jobs/*.py` start them."""
