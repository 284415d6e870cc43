"""Stages of the Tri-Graph by Spark; `graphagg.rag.spark` puts them together."""
