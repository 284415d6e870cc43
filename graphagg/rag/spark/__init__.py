"""Stages that build the Tri-Graph with Spark; `graphagg.rag.spark.build` combines them."""
