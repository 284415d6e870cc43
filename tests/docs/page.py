"""Runs the blocks of one page in this process and folder: `python page.py < blocks.json`.

Stops at the first block that fails, with its place in the page. Tests start it, one process a page.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import traceback
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

WAIT = 120
"""Seconds until a block in the background must answer."""


class Failed(Exception):
    """A block did not do what the page says."""


def main() -> None:
    blocks = json.load(sys.stdin)
    names: dict[str, Any] = {"__name__": "__main__"}
    running: list[subprocess.Popen[str]] = []
    printed = ""
    try:
        for block in blocks:
            started = time.process_time(), os.times()
            try:
                printed = run(block, names, running, printed)
            except Exception as error:
                text = str(error) if isinstance(error, Failed) else traceback.format_exc()
                sys.exit(f"{block['place']}: the block failed\n\n{block['text']}\n{text}")
            spent = time.process_time() - started[0]
            spent += os.times().children_user - started[1].children_user
            print(f"{block['place']} {block['language']} {spent:.1f} CPU s", flush=True)
    finally:
        for process in running:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def run(block: dict[str, Any], names: dict[str, Any], running: list[Any], printed: str) -> str:
    """Do with a block what its language and attributes say; what it printed."""
    attributes, text, language = block["attributes"], block["text"], block["language"]
    if "output" in attributes:
        check_output(text, printed)
    elif "title" in attributes:
        write(Path(attributes["title"]), text)
    elif "background" in attributes:
        running.append(in_background(text, attributes["background"]))
    elif language in ("bash", "sh"):
        return run_bash(text)
    elif language == "python":
        return run_python(block, names)
    elif language == "toml":
        tomllib.loads(text)
    elif language == "json":
        json.loads(text)
    return printed


def run_bash(text: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise Failed(f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


def run_python(block: dict[str, Any], names: dict[str, Any]) -> str:
    out = io.StringIO()
    page, _, line = block["place"].rpartition(":")
    code = compile(
        "\n" * int(line) + block["text"], page, "exec"
    )  # tracebacks name the page's lines
    with contextlib.redirect_stdout(out):
        exec(code, names)
    return out.getvalue()


def in_background(text: str, url: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", text], start_new_session=True)
    for _ in range(WAIT * 10):
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(url, timeout=5).close()
            return process
        if process.poll() is not None:
            raise Failed(f"it ended with exit code {process.returncode}, and {url} does not answer")
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGTERM)
    raise Failed(f"{url} does not answer within {WAIT} s")


def write(path: Path, text: str) -> None:
    if path.is_absolute() or ".." in path.parts:
        raise Failed(f"{path} is no file of the page's folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def check_output(wanted: str, printed: str) -> None:
    found = {plain(line) for line in printed.splitlines()}
    for line in wanted.splitlines():
        if plain(line) and line.strip() != "..." and plain(line) not in found:
            raise Failed(f"nothing printed is like {line!r}; printed:\n{printed}")


def plain(line: str) -> str:
    """A line without numbers, frames and spaces."""
    return re.sub(r"[\u2500-\u257f\s]+", " ", re.sub(r"\d+([.,]\d+)*", "#", line)).strip()


if __name__ == "__main__":
    main()
