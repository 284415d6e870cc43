"""The files of deploy/ are what their programs read, and say what `graphagg serve` takes."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml

from graphagg.cli.main import app
from graphagg.serve.http.security import Access
from graphagg.serve.service import Service, Sources
from tests.unit.serve.conftest import indices as indices
from tests.unit.serve.live import SECONDS, patient, serving, until

DEPLOY = Path(__file__).parents[2] / "deploy"
USER = 10001
PORT = 8321


def program(name: str) -> str:
    """A program, beside Python or on the path."""
    found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def passed(*command: object) -> str:
    shown = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    return shown.stdout + shown.stderr


@pytest.fixture(scope="module")
def bare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bare", DEPLOY / "bare.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["bare"] = module
    spec.loader.exec_module(module)
    return module


def dockerfile(bare: ModuleType) -> list[tuple[str, str]]:
    return list(bare.instructions(DEPLOY / "Dockerfile"))


def compose(name: str = "compose") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / f"{name}.yaml").read_text())
    return found


def manifests(name: str = "graphagg") -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / "kubernetes" / f"{name}.yaml").read_text()))


def pod_of(name: str = "graphagg") -> dict[str, Any]:
    (deployment,) = [each for each in manifests(name) if each["kind"] == "Deployment"]
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return found


def container(name: str = "graphagg") -> dict[str, Any]:
    found: dict[str, Any] = pod_of(name)["containers"][0]
    return found


def unit_command() -> list[str]:
    text = (DEPLOY / "graphagg.service").read_text().replace("\\\n", "")
    (line,) = re.findall(r"^ExecStart=\S+/graphagg (.*)$", text, re.MULTILINE)
    return shlex.split(line)


# --- what they say of graphagg -------------------------------------------------------------------


def test_each_command_is_one_that_graphagg_takes(bare: ModuleType) -> None:
    (image,) = [json.loads(rest) for name, rest in dockerfile(bare) if name == "CMD"]
    snippets = [
        re.sub(r"#\s*", "", found)
        for name in ("nginx.conf", "Caddyfile")
        for found in re.findall(r"graphagg (serve .*)", (DEPLOY / name).read_text())
    ]
    assert len(snippets) == 2
    commands = [image, compose()["services"]["graphagg"]["command"], container()["args"]]
    commands += [container("store")["args"], container("parts")["args"]]
    commands += [each["command"] for each in compose("compose-parts")["services"].values()]
    commands += [unit_command(), *(each.replace("... ", "").split() for each in snippets)]
    for words in commands:
        assert words[0] == "serve"
        chosen = app.parse_args(words)[1]
        chosen.apply_defaults()
        network = chosen.arguments["network"]
        found = {**chosen.arguments, **vars(network)}
        assert found["host"] == "127.0.0.1" or found["token_file"], words
        network.access("127.0.0.1", None)


def test_they_agree_on_user_port_and_addresses(bare: ModuleType) -> None:
    said = dict(dockerfile(bare))
    assert said["USER"] == f"{USER}:{USER}" and said["EXPOSE"] == str(PORT)
    assert "/readyz" in said["HEALTHCHECK"]
    for name in ("graphagg", "store", "parts"):
        user = pod_of(name)["securityContext"]
        assert user["runAsUser"] == USER and user["runAsNonRoot"]
        found = container(name)
        assert found["ports"] == [{"name": "http", "containerPort": PORT}]
        assert found["readinessProbe"]["httpGet"]["path"] == "/readyz"
        assert found["startupProbe"]["httpGet"]["path"] == "/readyz"
        assert found["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert found["securityContext"]["readOnlyRootFilesystem"]
    ports = compose()["services"]["graphagg"]["ports"]
    assert ports == [f"127.0.0.1:{PORT}:{PORT}"]
    for name in ("nginx.conf", "Caddyfile"):
        assert f"127.0.0.1:{PORT}" in (DEPLOY / name).read_text()


def test_they_wait_longer_than_an_answer_may_take() -> None:
    """To stop is to answer what is open: at most 30 s, after 10 s for its body."""
    limits = patient().__class__()
    longest = limits.answer_seconds + limits.receive_seconds
    for name in ("graphagg", "store", "parts"):
        assert pod_of(name)["terminationGracePeriodSeconds"] > longest + 5  # preStop
    unit = (DEPLOY / "graphagg.service").read_text()
    assert int(re.findall(r"TimeoutStopSec=(\d+)", unit)[0]) > longest
    assert int(compose()["services"]["graphagg"]["stop_grace_period"].rstrip("s")) > longest


def test_what_the_image_copies_is_sent_to_docker(bare: ModuleType) -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        word
        for name, rest in dockerfile(bare)
        if name == "COPY" and not rest.startswith("--from")
        for word in rest.split()[:-1]
    }
    assert lines[0] == "*" and copied == sent
    assert all((DEPLOY.parent / name).exists() for name in copied)


def test_the_readme_names_each_file() -> None:
    text = (DEPLOY / "README.md").read_text()
    files = {path.name for path in DEPLOY.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    files -= {"README.md", "Dockerfile.dockerignore"}
    assert [name for name in sorted(files) if name not in text] == []


# --- what their programs say ---------------------------------------------------------------------


def test_hadolint() -> None:
    passed(program("hadolint"), "--failure-threshold", "style", DEPLOY / "Dockerfile")


def test_docker_compose(tmp_path: Path) -> None:
    docker = program("docker")
    there = subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    if there.returncode != 0:
        pytest.skip("docker has no compose")
    passed(docker, "compose", "-f", DEPLOY / "compose.yaml", "config", "--quiet")


def test_kubernetes() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is missing")
    version = validate.latest_version()
    kinds = []
    for each in (*manifests(), *manifests("store"), *manifests("parts")):
        validate.validate(each, version, strict=True)
        kinds.append(each["kind"])
    assert kinds[:4] == ["PersistentVolumeClaim", "Deployment", "Service", "PodDisruptionBudget"]
    wrong = json.loads(json.dumps(next(e for e in manifests() if e["kind"] == "Deployment")))
    wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(validate.ValidationError):
        validate.validate(wrong, version, strict=True)


def test_systemd(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    unit = (DEPLOY / "graphagg.service").read_text()
    here = tmp_path / "graphagg.service"
    here.write_text(unit.replace("/opt/graphagg/bin/graphagg", sys.executable))  # which exists
    said = passed(analyze, "verify", "--man=no", here)
    assert "graphagg.service" not in said, said


def test_caddy() -> None:
    caddy = program("caddy")
    passed(caddy, "adapt", "--adapter", "caddyfile", "--config", DEPLOY / "Caddyfile", "--validate")


@pytest.fixture
def through_nginx(indices: Sources, tmp_path: Path) -> Iterator[httpx.Client]:
    """nginx with the site of deploy/, before a service; without TLS, on a port of its own."""
    nginx = program("nginx")
    access = Access(hosts=("rag.example.org",), proxies=("127.0.0.1",))
    with serving(Service(Sources(communities=indices.communities), patient()), access) as live:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        site = (DEPLOY / "nginx.conf").read_text()
        site = re.sub(r"\n\s+ssl_\w+ [^\n]+", "", site).replace("443 ssl", f"127.0.0.1:{port}")
        site = site.replace(f"127.0.0.1:{PORT};", f"127.0.0.1:{live.port};")
        (tmp_path / "site.conf").write_text(site)
        temporary = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log off; {temporary} include {tmp_path}/site.conf; }}\n"
        )
        command = [nginx, "-e", str(tmp_path / "early.log"), "-c", str(tmp_path / "nginx.conf")]
        with subprocess.Popen(command) as process:
            try:
                until(lambda: answers(port))
                name = {"host": "rag.example.org"}
                url = f"http://127.0.0.1:{port}"
                with httpx.Client(base_url=url, headers=name, timeout=SECONDS) as client:
                    yield client
            finally:
                process.terminate()


def answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def test_nginx_hands_requests_on(through_nginx: httpx.Client) -> None:
    asked = through_nginx.post("/v1/communities/query", json={"seeds": [3]})
    assert asked.status_code == 200 and len(asked.headers["x-request-id"]) == 32
    assert through_nginx.get("/readyz").status_code == 200
    assert "text/html" in through_nginx.get("/").headers["content-type"]
    assert through_nginx.get("/metrics").status_code == 404
    assert through_nginx.get("/v1/info", headers={"host": "evil.example"}).status_code == 403


# --- the Dockerfile without Docker ---------------------------------------------------------------


def test_continued_lines_are_one_instruction(bare: ModuleType, tmp_path: Path) -> None:
    text = '# a\nARG A=1\nFROM x:${A} AS b\n\nRUN one \\\n    # why\n    && two\ncmd ["c"]\n'
    (tmp_path / "Dockerfile").write_text(text)
    found = list(bare.instructions(tmp_path / "Dockerfile"))
    assert [name for name, _ in found] == ["ARG", "FROM", "RUN", "CMD"]
    assert found[2][1].split() == ["one", "&&", "two"]
    assert bare.replaced("x:${A}$B-$A", {"A": "1"}) == "x:1-1"


def test_each_instruction_can_be_carried_out(bare: ModuleType) -> None:
    missing = {
        name for name, _ in dockerfile(bare) if not hasattr(bare.Builder, f"_{name.lower()}")
    }
    assert missing == set()
