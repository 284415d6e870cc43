"""CPU of an inverted file over random vectors: python -m benchmarks.scaling.inverted_job VECTORS.

The passage index has one above 100,000 vectors, more than the study's corpora have.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import json
import sys
import time

DIMENSION = 384


def measure(vectors: int) -> dict[str, float]:
    """CPU seconds of training and of filling."""
    import numpy as np

    from graphagg.rag.snapshot import inverted_file
    from graphagg.rag.tables.vectors import Stack

    generator = np.random.default_rng(0)
    rows = generator.standard_normal((vectors, DIMENSION), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    held, ids = Stack([rows]), np.arange(vectors)
    start = time.process_time()
    index = inverted_file.trained(held, ids)
    trained = time.process_time()
    inverted_file.add(index, held, ids)
    filled = time.process_time()
    return {"vectors": vectors, "train": trained - start, "fill": filled - trained}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=int)
    json.dump(measure(parser.parse_args().vectors), sys.stdout)
