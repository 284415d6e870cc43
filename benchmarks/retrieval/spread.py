"""`python -m benchmarks.retrieval.spread MODEL ...`: how far apart an encoder's cosines lie.

For each encoder ("" is the default), over the 16 texts of its center with three questions each: the
mean cosine of a question with its own text and with the others, the standard deviation of the
latter, and how often the own text is the closest.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np

from benchmarks.report import print_table
from graphagg.rag.models.by_name import encoder_of
from graphagg.rag.models.encoding.center import ROWS


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="*", default=[""], help="names or folders of encoders")
    rows = [[name or "default", *spread(name)] for name in parser.parse_args(arguments).models]
    print_table(["encoder", "own text", "others", "their deviation", "difference", "closest"], rows)


def spread(name: str) -> list[str]:
    """The row of an encoder."""
    encoder = encoder_of("standard", name or None)
    questions = [question for _, *asked in ROWS for question in asked]
    own = np.array([row for row, (_, *asked) in enumerate(ROWS) for _ in asked])
    cosines = encoder.encode_query(questions, [])[0] @ encoder.encode([row[0] for row in ROWS]).T
    is_own = own[:, None] == np.arange(len(ROWS))
    near, far = cosines[is_own], cosines[~is_own]
    figures = (near.mean(), far.mean(), far.std(), near.mean() - far.mean())
    closest = 100 * (cosines.argmax(axis=1) == own).mean()
    return [*(f"{figure:.2f}" for figure in figures), f"{closest:.0f} %"]


if __name__ == "__main__":
    main()
