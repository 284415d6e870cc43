"""The control beside graph networks: count fingerprints and gradient boosting on ZINC-12k.

    python -m benchmarks.training.fingerprints

Morgan count fingerprints (radius 2, 2,048 bins) of the SMILES by RDKit, and LightGBM's regression
on the absolute error. The number of trees is chosen by the validation part, and the test part is
looked at once. Neither package comes with graphagg: `pip install lightgbm rdkit`. Settings are
LightGBM's defaults but for what is listed below; none was chosen by results.
"""

from __future__ import annotations

import csv
import gzip
import json
import time
from importlib.util import find_spec
from typing import Any

import numpy as np

from tests.conftest import DATA

FOLDER = DATA / "graph_learning" / "zinc12k"
RADIUS, BINS = 2, 2048
SETTINGS: dict[str, Any] = {
    "objective": "l1",
    "n_estimators": 3000,
    "learning_rate": 0.05,
    "n_jobs": 1,
    "random_state": 0,
    "verbose": -1,
}
PATIENCE = 100  # trees


def main() -> None:
    missing = [name for name in ("lightgbm", "rdkit") if find_spec(name) is None]
    if missing:
        raise SystemExit(f"missing: {', '.join(missing)}; pip install {' '.join(missing)}")
    print(json.dumps(run()))


def run() -> dict[str, Any]:
    """Mean absolute errors, and what they took."""
    import lightgbm

    began = time.process_time()
    x = fingerprints(smiles())
    made = time.process_time() - began
    with np.load(FOLDER / "zinc12k.npz") as file:
        y = file["y"].reshape(-1)
        parts = {part: file[part].reshape(-1) for part in ("train", "val", "test")}
    began = time.process_time()
    model = lightgbm.LGBMRegressor(**SETTINGS)
    model.fit(
        x[parts["train"]],
        y[parts["train"]],
        eval_set=[(x[parts["val"]], y[parts["val"]])],
        callbacks=[lightgbm.early_stopping(PATIENCE, verbose=False)],
    )
    spent = time.process_time() - began
    errors = {
        part: round(float(np.abs(model.predict(x[ids]) - y[ids]).mean()), 4)
        for part, ids in parts.items()
    }
    return {
        **errors,
        "trees": int(model.best_iteration_),
        "fingerprint CPU s": round(made, 1),
        "training CPU s": round(spent, 1),
    }


def smiles() -> list[str]:
    with gzip.open(FOLDER / "smiles.csv.gz", "rt", encoding="utf-8") as file:
        return [row["smiles"] for row in csv.DictReader(file)]


def fingerprints(texts: list[str]) -> np.ndarray:
    """`[molecules, BINS]` float32 counts."""
    from rdkit import Chem
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BINS)
    rows = np.zeros((len(texts), BINS), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[:] = generator.GetCountFingerprintAsNumPy(Chem.MolFromSmiles(text))
    return rows


if __name__ == "__main__":
    main()
