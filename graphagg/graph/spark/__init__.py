"""A graph read by Spark: edges from any path or DataFrame, numbered ids, compressed rows."""
