"""Spark: sessions, tasks that write blocks, jobs that resume, and errors by their names."""
