"""A check of one GPU: `python -m benchmarks.gpu`."""
