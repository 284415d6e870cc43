"""Everything that a GPU changes, in one call of at most so many minutes, most telling first.

    make gpu                                                        on any GPU of this machine
    python -m benchmarks.gpu --minutes 9 --out DIR
    python -m benchmarks.gpu --minutes 9 --out DIR --device cpu     small shapes, to see it run
    python -m benchmarks.gpu --minutes 3 --out DIR --item layer     some of the items

It installs nothing. It needs this repository, PyTorch and PyTorch Geometric; an item that needs
more says what is missing and is left out. Every item is a process of its own, so that one that
fails, runs out of memory or of time leaves the others alone. `results.json` and `report.md` in DIR
are written again after each, and say so where an item was cut short.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.gpu.items import ITEMS
from benchmarks.gpu.timing import describe
from benchmarks.report import Report, parser_of

LEAST_S = 5  # an item is not begun with less left
NEEDED = ("torch", "torch_geometric", "numpy", "pydantic")


def main() -> int:
    parser = parser_of(__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--out", type=Path, default=Path("build/bench/gpu"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--item", action="append", choices=ITEMS)
    parser.add_argument("--child", choices=ITEMS, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    missing = missing_of(NEEDED)
    if missing:
        print(f"missing: {', '.join(missing)}; install them, this benchmark installs nothing")
        return 2
    if chosen.child:
        for row in ITEMS[chosen.child].run(chosen.device):
            print(json.dumps(row), flush=True)
        return 0
    ends = time.monotonic() + 60 * chosen.minutes
    found: dict[str, Any] = {"machine": describe(chosen.device), "items": {}}
    if "error" in found["machine"]:
        print(found["machine"]["error"])
        return 2
    for name in chosen.item or ITEMS:
        found["items"][name] = run_item(name, chosen.device, ends - time.monotonic())
        write(chosen.out, found)
    print(f"written: {chosen.out / 'report.md'}")
    return 0


def run_item(name: str, device: str, seconds: float) -> dict[str, Any]:
    """The rows of one item, from a process that is ended when the time is over."""
    missing = missing_of(ITEMS[name].needs)
    if missing:
        return {"rows": [], "note": f"left out: {', '.join(missing)} not installed"}
    if seconds < LEAST_S:
        return {"rows": [], "note": "left out: no time was left"}
    command = [sys.executable, "-m", "benchmarks.gpu", "--child", name, "--device", device]
    began, note = time.monotonic(), ""
    out, error, code = ended(command, seconds)
    if code is None:
        note = f"cut short after {seconds:.0f} s"
    elif code:
        note = "failed: " + (error.strip().splitlines() or ["no message"])[-1][:300]
    rows = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return {"rows": rows, "note": note, "seconds": round(time.monotonic() - began, 1)}


def ended(command: list[str], seconds: float) -> tuple[str, str, int | None]:
    """Output, errors and exit code of a process; None as code where it was ended."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as error:
        process = subprocess.Popen(command, stdout=out, stderr=error, start_new_session=True)
        try:
            code: int | None = process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
        out.seek(0)
        error.seek(0)
        return out.read(), error.read(), code


def write(folder: Path, found: dict[str, Any]) -> None:
    """`results.json`, and the tables as Markdown."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / "results.json.partial"
    partial.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / "results.json")
    report = Report(folder, quiet=True)
    report.line(", ".join(f"{key} {value}" for key, value in found["machine"].items()))
    for name, item in found["items"].items():
        report.heading(f"{ITEMS[name].title} ({item.get('seconds', 0)} s)")
        if item["rows"]:
            # Rows need not have the same columns: where a peer fails there is a reason instead.
            header = list(dict.fromkeys(key for row in item["rows"] for key in row))
            report.table(header, [[row.get(key, "") for key in header] for row in item["rows"]])
        if item["note"]:
            report.line(item["note"])
    report.save()
    latest = list(found["items"])[-1]
    item = found["items"][latest]
    print(f"{latest}: {len(item['rows'])} rows {item['note']}", flush=True)


def missing_of(names: tuple[str, ...]) -> list[str]:
    """Those packages that are not installed."""
    from importlib.util import find_spec

    return [name for name in names if find_spec(name) is None]


if __name__ == "__main__":
    sys.exit(main())
