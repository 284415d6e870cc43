"""The TypeScript client: made from this program's document, and asked under node."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from graphagg.serve.http.app import document
from graphagg.serve.http.security import Access
from graphagg.serve.service import Service, Sources
from tests.unit.rag.documents.reading.files import thirty
from tests.unit.serve.live import patient, serving

CLIENT = Path(__file__).parents[3] / "clients" / "typescript"
NODE = shutil.which("node")
TOKEN = "correct-horse-battery-staple"


def test_the_document_is_that_of_a_service(start, indices: Sources, tmp_path: Path) -> None:
    running = start(replace(indices, root=tmp_path / "root"))
    assert document() == running.json("/openapi.json")


SCRIPT = """
import { createClient, ServiceError } from %s;
const client = createClient({ baseUrl: process.argv[1] + "/", token: process.argv[2] });
const refused = async (call) => {
  try { await call(); } catch (error) {
    return { known: error instanceof ServiceError, status: error.status, type: error.type };
  }
};
console.log(JSON.stringify({
  search: await client.post("/v1/passages/search", { question: "Who is Ada?", k: 2 }),
  vertices: await client.get("/v1/communities/vertices", { prefix: "1", limit: 3 }),
  info: await client.get("/v1/info"),
  unknown: await refused(() => client.post("/v1/communities/query", { seeds: ["none"] })),
  stranger: await refused(() => createClient({ baseUrl: process.argv[1] }).get("/v1/info")),
  page: await refused(() => client.get("/")),
}));
"""


@pytest.mark.skipif(NODE is None, reason="node is not on the PATH")
def test_under_node(indices: Sources) -> None:
    with serving(Service(indices, patient()), Access(token=TOKEN)) as live:
        live.client.headers["authorization"] = f"Bearer {TOKEN}"
        script = SCRIPT % json.dumps((CLIENT / "index.js").as_uri())
        command = [str(NODE), "--input-type=module", "-e", script, live.url, TOKEN]
        run = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
        assert run.returncode == 0, run.stderr
        found: dict[str, Any] = json.loads(run.stdout)
        hits = live.json("/v1/passages/search", {"question": "Who is Ada?", "k": 2})["hits"]
        assert found["search"]["hits"] == hits
        assert found["vertices"] == live.json("/v1/communities/vertices?prefix=1&limit=3")
        assert found["info"] == live.json("/v1/info")
    assert found["unknown"] == {"known": True, "status": 404, "type": "UnknownVertex"}
    assert found["stranger"] == {"known": True, "status": 401, "type": "Unauthorized"}
    assert found["page"] == {"known": True, "status": 200, "type": "NoService"}


WRITES = """
import { readFileSync, readdirSync } from "node:fs";
import { createClient } from %s;
const client = createClient({ baseUrl: process.argv[1] });
const folder = process.argv[2];
const name = { name: "a" };
const search = { question: "What is the hotel limit in Aarhus?", k: 3 };
const ask = () => client.post("/v1/collections/{name}/passages/search", search, name);
const told = [];
await client.post("/v1/collections", { name: "a" });
const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => `${entry.parentPath ?? entry.path}/${entry.name}`)
  .map((path) => ({ name: path.slice(folder.length + 1), content: readFileSync(path) }));
const added = await client.upload("a", files, (progress) => told.push(progress.stage));
const before = (await ask()).hits.map((hit) => hit.id);
const ids = ["travel.md"];
const gone = await client.post("/v1/collections/{name}/passages/delete", { ids }, name);
const after = (await ask()).hits.map((hit) => hit.id);
await client.delete("/v1/collections/{name}", name);
const left = (await client.get("/v1/collections")).collections;
console.log(JSON.stringify({ sent: files.length, added, told, before, gone, after, left }));
"""


@pytest.mark.skipif(NODE is None, reason="node is not on the PATH")
def test_a_folder_of_thirty_files_under_node(indices: Sources, tmp_path: Path) -> None:
    thirty(tmp_path / "documents")
    sources = Sources(root=tmp_path / "root", encoder=indices.encoder, extractor=indices.extractor)
    with serving(Service(sources, patient())) as live:
        script = WRITES % json.dumps((CLIENT / "index.js").as_uri())
        command = [str(NODE), "--input-type=module", "-e", script, live.url]
        command.append(str(tmp_path / "documents"))
        run = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stderr
    done = json.loads(run.stdout)
    assert done["sent"] == done["added"]["files"] + len(done["added"]["left_out"]) == 30
    assert done["told"] and done["gone"]["removed"] == 1 and done["left"] == []
    assert done["before"][0] == "travel.md" not in done["after"]
