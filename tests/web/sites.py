"""What the browser is shown: small indices with names that mean harm, and real ones."""

from __future__ import annotations

import os
from pathlib import Path

import networkx as nx

from graphagg.communities import CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.errors import ArtifactError
from graphagg.rag import PassageIndex, read_passages
from graphagg.rag.documents.passages import Passage
from graphagg.serve.service import Sources
from tests.conftest import DATA
from tests.fakes import FakeEncoder, FakeExtractor

CORPUS = DATA / "2wikimultihopqa" / "passages.jsonl.gz"
DBLP = DATA / "communities" / "com_dblp" / "com-dblp.ungraph.txt.gz"

EVIL = "<img src=x onerror=window.harmed=1>"
"""A vertex id, a title, a text, and a value of metadata."""

PASSAGES = [
    Passage(
        "lothair", "Lothair was king of Lotharingia. He was the son of Ermengarde.", "Lothair",
        {"year": 855, "kind": "king", "crowned": True, "born": "0835-01-01", "tags": ["franks"]},
    ),
    Passage(
        "ermengarde", "Ermengarde was the daughter of Hugh. She died at Erstein.", "Ermengarde",
        {"year": 851, "kind": "queen", "crowned": True, "born": "0804-01-01", "tags": ["franks"]},
    ),
    Passage(
        "hugh", "Hugh was count of Tours. 😀 He fled to Italy.", "Hugh",
        {"year": 837, "kind": "count"},
    ),
    Passage("erstein", "Erstein is an abbey in Alsace.", "Erstein", {"year": 849, "kind": "abbey"}),
    Passage("evil", f"Hugh wrote {EVIL} in Italy.", f"Mallory {EVIL}", {"kind": EVIL}),
]  # fmt: skip


def characters() -> nx.Graph:
    """Who meets whom in Les Misérables, and one whose name is markup."""
    graph = nx.Graph(nx.les_miserables_graph().edges)
    graph.add_edges_from((EVIL, name) for name in ("Valjean", "Javert", "Cosette", "Marius"))
    return graph


def small(root: Path) -> Sources:
    """An index of each kind; the models are stand-ins."""
    models = {"encoder": FakeEncoder(), "extractor": FakeExtractor()}
    PassageIndex.build(PASSAGES, root / "passages", **models).close()
    CommunityIndex.build(characters(), root / "communities").close()
    NodeEmbedding.build(characters(), root / "embedding", config=EmbeddingConfig(dim=8)).close()
    return Sources(root / "passages", root / "communities", root / "embedding", **models)


def real() -> Sources:
    """com_dblp (317,080 vertices) and 2wiki (6,119 passages), built once and kept.

    `$GRAPHAGG_WEB_INDICES` names a folder with the indices `dblp` and `2wiki`; by default they are
    built into `build/web`.
    """
    root = Path(os.environ.get("GRAPHAGG_WEB_INDICES", Path(__file__).parents[2] / "build" / "web"))
    passages, communities = root / "2wiki", root / "dblp"
    try:
        PassageIndex.open(passages).close()
    except ArtifactError:  # there is none, or one of another revision
        PassageIndex.build(read_passages(CORPUS), passages, force=True).close()
    if not (communities / "manifest.json").is_file():
        CommunityIndex.build(DBLP, communities).close()
    return Sources(passages, communities)
