"""Builds an index. The stages of `engine` run in memory, over files or as a Spark job."""
