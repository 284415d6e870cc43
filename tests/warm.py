"""A process that has imported everything, and copies itself for each command it is asked to run.

Starting Python and importing PyTorch takes seconds, and tests of commands start many. `Warm` starts
the process; `bin/graphagg` and `bin/python` of its folder, put before others on the PATH, run in
copies of it, with the folder, the environment, the streams and the signals of the caller:

    python tests/warm.py SOCKET       # the process itself
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import traceback
from importlib import import_module
from pathlib import Path
from typing import Any

IMPORTED = (
    "graphagg.cli.builds.passages", "graphagg.cli.rag.search", "graphagg.cli.communities",
    "graphagg.cli.embed", "graphagg.cli.train", "graphagg.cli.serving.serve", "graphagg.rag",
    "graphagg.communities", "graphagg.embedding", "graphagg.nn", "graphagg.serve.http.app",
    "sentence_transformers", "spacy", "torch_geometric.nn",
)  # fmt: skip
"""What commands import sooner or later. Nothing of it starts threads."""

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect({socket!r})
asked = {{"what": {what!r}, "argv": sys.argv, "cwd": os.getcwd(), "environ": dict(os.environ)}}
socket.send_fds(link, [len(text := json.dumps(asked).encode()).to_bytes(4, "big")], [0, 1, 2])
link.sendall(text)
answers = link.makefile()
child = int(answers.readline())
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, lambda number, _: os.kill(child, number))
sys.exit(int(answers.readline()))
"""


class Warm:
    """The process, and a folder of commands that it runs."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        """Start it.

        Args:
            folder: where its socket and `bin` come; a short path, as sockets want it.
            environ: its environment; what modules read when they are imported is read from here.
        """
        where = folder / "socket"
        self.bin = folder / "bin"
        self.bin.mkdir()
        for what in ("graphagg", "python"):
            script = self.bin / what
            script.write_text(CLIENT.format(python=sys.executable, socket=str(where), what=what))
            script.chmod(0o755)
        self._process = subprocess.Popen(
            [sys.executable, "-P", __file__, where], env=environ, stdout=subprocess.PIPE
        )
        assert self._process.stdout and self._process.stdout.readline() == b"ready\n"

    def stop(self) -> None:
        """End it; commands that still run go on."""
        self._process.terminate()
        self._process.wait()


def serve(where: str) -> None:
    """Import, say so, and run what is asked for at a socket until a signal ends this."""
    for name in IMPORTED:
        import_module(name)
    os.fsync = lambda descriptor: None  # what commands write here is gone after the test
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(where)
    listener.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever waits for a copy is a copy itself
    print("ready", flush=True)
    while True:
        link, _ = listener.accept()
        if not os.fork():
            listener.close()
            os._exit(_wait(link))
        link.close()


def _wait(link: socket.socket) -> int:
    """Run one command in a copy, and tell the client its process and its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(link, 4, 3)
    asked = json.loads(link.makefile("rb").read(int.from_bytes(length, "big")))
    child = os.fork()
    if not child:
        link.close()
        os._exit(_run(asked, streams))
    for stream in streams:
        os.close(stream)
    with contextlib.suppress(BrokenPipeError):
        link.sendall(f"{child}\n".encode())
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        link.sendall(f"{code if code >= 0 else 128 - code}\n".encode())
    return 0


def _run(asked: dict[str, Any], streams: list[int]) -> int:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.setsid()
    os.chdir(asked["cwd"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.argv = asked["argv"]
    try:
        if asked["what"] == "graphagg":
            import_module("graphagg.cli.main").main()
        else:
            _python(sys.argv[1:])
        return 0
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _python(arguments: list[str]) -> None:
    """`python FILE ...`, `python -m MODULE ...`."""
    module = arguments[0] == "-m"
    sys.argv = arguments[module:]
    if module:
        sys.path.insert(0, os.getcwd())
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    serve(sys.argv[1])
