"""The jobs of Spark, a module each: `python -m graphagg.jobs.communities`."""
