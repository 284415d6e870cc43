"""Run the steps of the Dockerfile on a bare Debian root, without Docker: build, start, query, stop.

    python deploy/bare.py ROOT INDEX [--build-arg NAME=VALUE] [--question TEXT]

Run it as root, on Debian, with debootstrap. ROOT is a new folder. Each stage of the Dockerfile gets
its own root inside it; debootstrap creates it in place of the image in FROM. Then the script runs
each instruction as Docker would: RUN in a chroot with only the stage's environment, COPY from this
repository or from another stage, and finally the command as the image's user, with INDEX at
/data/passages and a new token. The service must become ready, answer a question, and stop.

The roots get the certificates, the pip settings and the name resolution of this machine.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
SUITE, PACKAGES = "bookworm", "python3,python3-venv,ca-certificates"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PORT = 8321
SECONDS = 900  # timeout of a start: kernels are compiled, perhaps on a busy machine


@dataclass
class Stage:
    """A stage of the Dockerfile, and the values that its instructions have set so far."""

    root: Path
    name: str
    env: dict[str, str] = field(default_factory=lambda: {"PATH": PATH})
    args: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "0:0"
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)


def instructions(dockerfile: Path) -> Iterator[tuple[str, str]]:
    """Yield names and arguments; continued lines are joined, and comments are dropped."""
    lines = [
        line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    for line in re.sub(r"\\\n", "", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


def replaced(text: str, values: dict[str, str]) -> str:
    """Replace `$NAME` and `${NAME}`, as in instructions other than RUN."""
    return re.sub(r"\$\{?(\w+)\}?", lambda found: values.get(found[1], ""), text)


class Builder:
    """Runs the instructions of a Dockerfile.

    Args:
        place: a folder for the roots of the stages.
        given: build arguments.
    """

    def __init__(self, place: Path, given: dict[str, str]) -> None:
        self._place, self._given = place, given
        self._before: dict[str, str] = {}  # ARG before the first FROM
        self.stages: list[Stage] = []

    def build(self, dockerfile: Path) -> Stage:
        """Run every instruction; return the last stage."""
        for name, rest in instructions(dockerfile):
            print(f"== {name} {rest[:100]}", flush=True)
            if name == "ARG" and not self.stages:
                self._before |= self._arg(rest)
            else:
                getattr(self, f"_{name.lower()}")(rest)
        return self.stages[-1]

    def _arg(self, rest: str) -> dict[str, str]:
        name, _, default = rest.partition("=")
        value = {name: self._given.get(name, default)}
        if self.stages:
            self.stages[-1].args |= value
        return value

    def _from(self, rest: str) -> None:
        image, name = [*rest.split(" AS "), ""][:2]
        print(f"   a bare {SUITE} for {replaced(image, self._before)}", flush=True)
        root = self._place / (name or f"stage-{len(self.stages)}")
        if (cached := self._place / "base").exists() is False:
            bootstrap(cached)
        run("cp", "-a", str(cached), str(root))
        self.stages.append(Stage(root, name))

    def _env(self, rest: str) -> None:
        stage = self.stages[-1]
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            stage.env[name] = replaced(value, stage.env | stage.args)

    def _workdir(self, rest: str) -> None:
        stage = self.stages[-1]
        stage.workdir = rest
        (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)

    def _copy(self, rest: str) -> None:
        stage, words = self.stages[-1], shlex.split(rest)
        source = REPOSITORY
        if words[0].startswith("--from="):
            wanted = words.pop(0).partition("=")[2]
            source = next(each.root for each in self.stages if each.name == wanted)
        *named, target = words
        place = stage.root / str(Path(stage.workdir, target)).lstrip("/")
        for each in named:
            path = source / each.lstrip("/")
            into = place / path.name if target.endswith("/") else place
            into.parent.mkdir(parents=True, exist_ok=True)
            run("cp", "-a", f"{path}/." if path.is_dir() else str(path), str(into))

    def _run(self, rest: str) -> None:
        stage = self.stages[-1]
        with mounted(stage.root):
            inside(stage, ["/bin/sh", "-c", rest], check=True, extra=pip_settings())

    def _user(self, rest: str) -> None:
        self.stages[-1].user = rest

    def _entrypoint(self, rest: str) -> None:
        self.stages[-1].entrypoint = json.loads(rest)

    def _cmd(self, rest: str) -> None:
        self.stages[-1].cmd = json.loads(rest)

    def _healthcheck(self, rest: str) -> None:
        self.stages[-1].healthcheck = json.loads(rest.partition("CMD ")[2])

    def _expose(self, rest: str) -> None:
        assert int(rest) == PORT

    def _stopsignal(self, rest: str) -> None:
        assert rest == "SIGTERM"


def run(*command: str) -> None:
    """Run a command on this machine."""
    subprocess.run(command, check=True)


def bootstrap(root: Path) -> None:
    """Create a minimal Debian with Python, and copy the settings that give access to packages."""
    run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    for name in ("etc/resolv.conf", "etc/pip.conf", "etc/ssl/certs/ca-certificates.crt"):
        if Path("/", name).exists():
            shutil.copy(Path("/", name), root / name)


def pip_settings() -> dict[str, str]:
    """Return the variables that pip needs to reach packages; no others are passed on."""
    wanted = ("PIP_", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY")
    found = {name: value for name, value in os.environ.items() if name.upper().startswith(wanted)}
    return {name: value for name, value in found.items() if name != "PIP_FIND_LINKS"}


@contextmanager
def mounted(root: Path) -> Iterator[None]:
    """Context manager: mount /proc and /dev below a root."""
    for name in ("proc", "dev"):
        (root / name).mkdir(exist_ok=True)
        run("mount", "--rbind", f"/{name}", str(root / name))
        run("mount", "--make-rslave", str(root / name))
    try:
        yield
    finally:
        for name in ("proc", "dev"):
            run("umount", "--recursive", "--lazy", str(root / name))


def chrooted(
    stage: Stage, command: list[str], extra: dict[str, str]
) -> tuple[list[str], dict[str, str]]:
    """Return the chroot command line for a command in a stage, and its environment."""
    environment = stage.env | stage.args | extra
    shell = f"cd {shlex.quote(stage.workdir)} && exec {shlex.join(command)}"
    return (
        ["chroot", f"--userspec={stage.user}", str(stage.root), "/bin/sh", "-c", shell],
        environment | {"HOME": "/root" if stage.user == "0:0" else "/var/lib/graphagg"},
    )


def inside(stage: Stage, command: list[str], *, check: bool, extra: dict[str, str]) -> int:
    """Run a command in the root of a stage, with only the stage's environment."""
    words, environment = chrooted(stage, command, extra)
    return subprocess.run(words, env=environment, check=check).returncode


def status(path: str, token: str, body: dict | None = None) -> tuple[int, dict]:
    """Send a request to the service; return the status code and the JSON body."""
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, {}


def serve(stage: Stage, index: Path, question: str) -> None:
    """Start the image's command, wait until it is ready, send a question, and stop it."""
    data, secret = stage.root / "data/passages", stage.root / "run/secrets/token"
    for path in (data, secret.parent):
        path.mkdir(parents=True, exist_ok=True)
    run("cp", "-a", f"{index}/.", str(data))
    token = secrets.token_hex(32)
    secret.write_text(token)
    run("chown", "-R", stage.user, str(secret))
    with mounted(stage.root):
        begin = time.monotonic()
        words, environment = chrooted(stage, [*stage.entrypoint, *stage.cmd], {})
        with subprocess.Popen(words, env=environment) as process:
            try:
                seen = []
                while not seen or seen[-1] != (200, "ready"):
                    found = status("/readyz", token)
                    state = (found[0], str(found[1].get("status", "")))
                    seen += [state] if state not in seen else []
                    assert process.poll() is None, "the service exited"
                    assert time.monotonic() - begin < SECONDS, "it is not ready in time"
                    time.sleep(0.2)
                print(f"/readyz in order: {seen}; ready in {time.monotonic() - begin:.1f} s")
                print(f"health check: {inside(stage, stage.healthcheck, check=True, extra={})}")
                assert status("/v1/info", "wrong")[0] == 401
                code, answer = status("/v1/passages/search", token, {"question": question})
                assert code == 200 and answer["hits"], answer
                print(f"answer: {answer['hits'][0]['title']!r}")
                owner = os.stat(f"/proc/{process.pid}").st_uid
                assert f"{owner}" == stage.user.partition(":")[0], "it runs as another user"
                begin = time.monotonic()
                process.terminate()
                assert process.wait(SECONDS) == 0
                print(f"stopped in {time.monotonic() - begin:.2f} s, exit code 0")
            finally:
                process.kill()


def main() -> None:
    """Parse the arguments, build the image, and run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("index", type=Path)
    parser.add_argument("--build-arg", action="append", default=[])
    parser.add_argument("--question", default="On which river lies the city?")
    chosen = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        sys.exit("run this as root, with debootstrap (apt-get install debootstrap)")
    given = dict(each.split("=", 1) for each in chosen.build_arg)
    chosen.root.mkdir(parents=True)
    stage = Builder(chosen.root.resolve(), given).build(REPOSITORY / "deploy" / "Dockerfile")
    serve(stage, chosen.index.resolve(), chosen.question)


if __name__ == "__main__":
    main()
