"""The table of finished cells, in Markdown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

SPLITS = 3
PLAIN = ("GCN (PyG)", "GIN (PyG)", "SAGE (PyG)", "GPS no attention", "GatedGCN")
_LAST = ("plain, by validation", "GPS exact ahead")
Cells = dict[tuple[str, str], dict[int, dict]]
"""`{(set, model): {split: cell}}`."""

# Quoted from the README of the data sets, not measured; some are for other splits, as noted.
# Geom-GCN's figures are from its paper, arXiv 2002.05287, which drew the splits.
PUBLISHED = {
    "texas": "Geom-GCN 67.57 (10 splits)",
    "cornell": "Geom-GCN 60.81 (10 splits)",
    "actor": "Geom-GCN 31.63 (10 splits)",
    "MUTAG": "GIN 89.4 (10-fold)",
    "PROTEINS": "GatedGCN 76.36, GCN 76.10, GIN 74.12",
    "ENZYMES": "GCN 65.83, GatedGCN 65.67, GIN 65.33",
    "CSL": "100 with LapPE or RWSE, 10 without",
    "chameleon": "SGFormer 45.21",
    "squirrel": "SGFormer 42.65",
    "Cora": "GCN 81.5, GAT 83.0 (public split)",
    "Citeseer": "GCN 70.3, GAT 72.5 (public split)",
}


def by_split(results: Iterable[dict]) -> Cells:
    """Group results by set and model, then by split."""
    cells: Cells = defaultdict(dict)
    for result in results:
        cells[result["set"], result["model"]][result["split"]] = result
    return cells


def interval(values: Sequence[float]) -> float:
    """Return half the width of the mean's 95 % interval (Student's t)."""
    from scipy.stats import t

    return float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5)


def markdown(cells: Cells, sets: Iterable[str] = (), models: Iterable[str] = ()) -> str:
    """Return a table of test accuracy in percent: mean and 95 % interval over the splits.

    `n/3` marks missing splits. Without `sets` and `models`, those of the cells are used. The last
    columns are the best plain model by validation on each split, and the lead of `GPS exact`.
    """
    sets = list(sets) or list(dict.fromkeys(name for name, _ in cells))
    models = list(models) or list(dict.fromkeys(name for _, name in cells))
    lines = [
        "| set | " + " | ".join([*models, *_LAST]) + " | published (quoted) |",
        "| --- |" + " ---: |" * (len(models) + len(_LAST)) + " --- |",
    ]
    for name in sets:
        row = [shown(cells.get((name, model), {})) for model in models]
        plain, gps = best_plain(cells, name), cells.get((name, "GPS exact"), {})
        ahead = [100 * (gps[s]["test"] - plain[s]["test"]) for s in sorted(plain.keys() & gps)]
        sure = f"{np.mean(ahead):+.1f} ± {interval(ahead):.1f}" if len(ahead) > 1 else ""
        row += [shown(plain), sure, PUBLISHED.get(name, "")]
        lines.append(f"| {name} | " + " | ".join(row) + " |")
    done = [cell for splits in cells.values() for cell in splits.values()]
    minutes = sum(cell["cpu_seconds"] for cell in done) / 60
    lines.append(f"\n{len(done)} cells, {minutes:.0f} CPU minutes, one thread.")
    return "\n".join(lines)


def best_plain(cells: Cells, name: str) -> dict[int, dict]:
    """Return for each split the cell of the plain model with the best validation score."""
    plain = [of for model in PLAIN if (of := cells.get((name, model)))]
    done = set.intersection(*map(set, plain)) if plain else set()
    return {s: max((of[s] for of in plain), key=lambda cell: cell["val"]) for s in sorted(done)}


def shown(splits: dict[int, dict]) -> str:
    """Return one entry of the table."""
    if not splits:
        return "not run"
    values = [100 * cell["test"] for cell in splits.values()]
    if len(values) == 1:
        return f"{values[0]:.1f} (1/{SPLITS})"
    missing = "" if len(values) == SPLITS else f" ({len(values)}/{SPLITS})"
    return f"{np.mean(values):.1f} ± {interval(values):.1f}{missing}"
