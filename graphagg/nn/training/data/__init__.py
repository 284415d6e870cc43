"""Reads and checks the graphs of a training run, and their splits."""
