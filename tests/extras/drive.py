"""Run in an environment: all commands with `--help` and with a small input, and all imports.

`python drive.py MADE CASES` prints a line of JSON for each: kind, name, exit code, and what was
printed to standard error. A command runs in a process of its own, forked from this one, which has
loaded what each command loads.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

from graphagg.cli.main import main
from graphagg.errors import MissingExtra

SECONDS = 300.0
FACES = ("graphagg.rag", "graphagg.communities", "graphagg.embedding", "graphagg.graph",
         "graphagg.nn", "graphagg.nn.training", "graphagg.store", "graphagg.store.remote",
         "graphagg.spark", "graphagg.spark.session",
         "graphagg.rag.adapters.langchain", "graphagg.rag.adapters.llamaindex")  # fmt: skip


def run(words: list[str], folder: Path) -> tuple[int, str]:
    """Run a command in a folder; a service is interrupted as soon as it serves."""
    said = folder / "stderr"
    child = os.fork()
    if child == 0:
        _as_command(words, folder, said)
    began = time.monotonic()
    interrupted = False
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), said.read_text(errors="replace")
        late = time.monotonic() - began > SECONDS
        if late or (not interrupted and _is_ready(said.read_text(errors="replace"))):
            os.kill(child, signal.SIGKILL if late else signal.SIGINT)
            interrupted = True
        time.sleep(0.02)


def _is_ready(said: str) -> bool:
    """Whether a service that has said its address answers."""
    address = re.search(r"serving on (http\S+)", said)
    with contextlib.suppress(OSError):
        return address is not None and urlopen(f"{address[1]}/readyz").status == 200
    return False


def _as_command(words: list[str], folder: Path, said: Path) -> None:
    os.chdir(folder)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, "stdout", os.O_WRONLY | os.O_CREAT),
        (2, str(said), os.O_WRONLY | os.O_CREAT),
    ):
        os.dup2(os.open(path, flags), number)
    sys.argv = ["graphagg", *words]
    code = 0
    try:
        main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(bool(error.code))
    except BaseException:
        traceback.print_exc()
        code = 70
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def report(kind: str, name: str, code: int, text: str) -> None:
    """Print a line of the outcome."""
    print(json.dumps([kind, name, code, text]), flush=True)


def imports() -> None:
    """Import every public name."""
    for face in FACES:
        try:
            module = importlib.import_module(face)
            names = getattr(module, "__all__", [])
            report("import", face, 0, "")
        except BaseException as error:
            names = []
            _report_import(face, error)
        for name in names:
            try:
                getattr(importlib.import_module(face), name)
            except BaseException as error:
                _report_import(f"{face}.{name}", error)
            else:
                report("import", f"{face}.{name}", 0, "")


def _report_import(name: str, error: BaseException) -> None:
    code = 2 if isinstance(error, MissingExtra) else 70
    report("import", name, code, f"error: {type(error).__name__}: {error}")


def main_of_environment(made: Path, cases: dict[str, str]) -> None:
    """Run all commands, then all imports."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(made))
    SimpleHTTPRequestHandler.log_message = lambda *_: None  # type: ignore[method-assign]
    site = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{site.server_port}"
    for name, command in cases.items():
        for kind in ("help", "run"):
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / "made"
                words = [*name.split(), "--help"]
                if kind == "run":
                    shutil.copytree(made, copy)
                    words = [w.format(made=copy, site=address) for w in shlex.split(command)]
                (Path(folder) / "stderr").touch()
                report(kind, name, *run(words, Path(folder)))
    imports()


if __name__ == "__main__":
    main_of_environment(Path(sys.argv[1]), json.loads(sys.argv[2]))
