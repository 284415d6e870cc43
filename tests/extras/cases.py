"""Each command with a small input, and what those inputs are.

In a command, `{made}` is a folder with a copy of the inputs, and `{site}` the address of a web site
with the same files. It runs in a folder of its own.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np

from graphagg.communities import CommunityIndex
from graphagg.embedding import EmbeddingConfig, NodeEmbedding
from graphagg.rag import PassageIndex, ReadConfig, read_documents, read_passages
from tests.unit.commands import invoke
from tests.unit.communities.graphs import planted
from tests.unit.nn.training.test_command import SMALL
from tests.unit.nn.training.toys import many, write_graphs

DEMO = Path(__file__).parents[2] / "graphagg" / "rag" / "demo"
QUESTION = "Into which sea flows the river on which Marie Curie's birthplace lies?"

CASES: dict[str, str] = {
    "demo": "demo --out out",
    "train": "train {made}/small.toml --data {made}/set.safetensors --out run --epochs 1"
    " --device cpu",
    "mcp": "mcp --passages {made}/idx",
    "serve": "serve --passages {made}/idx --port 0",
    "info": "info {made}/idx",
    "verify": "verify {made}/idx",
    "push": "push {made}/idx {site}/copy",
    "pull": "pull {site}/idx copy",
    "rag index": "rag index {made}/texts --out out",
    "rag add": "rag add {made}/idx {made}/more.jsonl",
    "rag update": "rag update {made}/idx {made}/changed.jsonl",
    "rag delete": "rag delete {made}/idx warsaw",
    "rag compact": "rag compact {made}/idx",
    "rag merge": "rag merge {made}/idx {made}/other --out out",
    "rag sync": "rag sync {made}/synced {made}/texts",
    "rag search": f'rag search {{made}}/idx "{QUESTION}"',
    "rag explain": f'rag explain {{made}}/idx "{QUESTION}" vistula',
    "rag graph": "rag graph {made}/idx --out graph.csv",
    "rag map": "rag map {made}/idx",
    "rag similar": "rag similar {made}/idx warsaw",
    "rag versions": "rag versions {made}/idx",
    "rag questions": "rag questions {made}/idx --count 2",
    "rag eval": "rag eval {made}/idx {made}/questions.jsonl --compare multihop,bm25",
    "communities build": "communities build {made}/edges.csv --out out",
    "communities query": "communities query {made}/comm --seed 1",
    "communities structure": "communities structure {made}/comm --seed 1 --out out.png",
    "communities detect": "communities detect {made}/edges.csv --out out.csv",
    "communities add": "communities add {made}/comm {made}/more.csv",
    "communities delete": "communities delete {made}/comm --vertex 1",
    "embed build": "embed build {made}/edges.csv --out out --dim 4",
    "embed add": "embed add {made}/emb {made}/more.csv",
    "embed neighbors": "embed neighbors {made}/emb --vertex 1",
    "embed export": "embed export {made}/emb --out out.parquet",
    "job communities": "job communities --edges {made}/edges.csv --out out",
    "job embed": "job embed --edges {made}/edges.csv --out out --dim 4",
    "job passages": "job passages --passages {made}/more.jsonl --out out",
}

REACHED = {"push": "is read-only"}
"""Commands that need a service: what they say when they have reached a web site."""


def write_inputs(folder: Path) -> None:
    """Write all inputs, with what is installed here."""
    (folder / "texts").mkdir(parents=True)
    (folder / "texts" / "pump.md").write_text("# Pumps\n\nThe pump P-7 stands in Oslo.\n")
    (folder / "texts" / "valve.txt").write_text("The valve of P-7 is changed every year.\n")
    (folder / "texts" / "page.html").write_text("<html><body><p>Oslo is wet.</p></body></html>")
    (folder / "texts" / "table.csv").write_text("id,text\n1,The seal of P-7 leaks.\n")
    shutil.copy(DEMO / "passages.jsonl", folder)
    shutil.copy(DEMO / "questions.jsonl", folder)
    more = {"id": "warta", "title": "Warta", "text": "The Warta flows into the Oder."}
    (folder / "more.jsonl").write_text(json.dumps(more) + "\n")
    (folder / "changed.jsonl").write_text(json.dumps(more | {"id": "warsaw"}) + "\n")
    passages = list(read_passages(folder / "passages.jsonl"))
    PassageIndex.build(passages, folder / "idx", profile="fast").close()
    PassageIndex.build([more], folder / "other", profile="fast").close()
    texts = read_documents(folder / "texts", ReadConfig())
    PassageIndex.build(texts, folder / "synced", profile="fast").close()
    edges, _ = planted(blocks=4, size=12)
    _write_graphs(folder, np.array(edges))


def _write_graphs(folder: Path, edges: np.ndarray) -> None:
    np.savetxt(
        folder / "edges.csv", edges, fmt="%d", delimiter=",", header="source,target", comments=""
    )
    (folder / "more.csv").write_text("source,target\n1000,1\n")
    CommunityIndex.build(edges, folder / "comm").close()
    NodeEmbedding.build(edges, folder / "emb", config=EmbeddingConfig(dim=4)).close()
    (folder / "small.toml").write_text(SMALL)
    write_graphs(folder / "set.safetensors", many())
    command = CASES["train"].replace("--out run", "--out {made}/run").format(made=folder)
    assert invoke(*command.split()).code == 0
