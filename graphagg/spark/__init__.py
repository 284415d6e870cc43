"""Spark: sessions, tasks that write blocks, jobs that resume, and failures as named errors."""
