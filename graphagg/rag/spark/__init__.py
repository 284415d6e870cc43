"""Stages of the Tri-Graph by Spark; `graphagg.rag.spark.build` puts them together."""
