"""What a GPU gives, in one call: `python -m benchmarks.gpu --minutes 9 --out DIR`."""
