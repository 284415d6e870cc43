"""What each extra installs: packages and MiB, with all that they need in turn.

Run in an environment that has all extras: `python -m benchmarks.extras`. Nothing is installed or
downloaded: the files that each package lists are added up. It prints the table of
`docs/guides/install.md`; PyTorch is counted as it is installed here: its build for CUDA, or for the
CPU alone.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
LEFT_OUT = ("all", "dev")


def needed(requirements: Iterable[str]) -> set[str]:
    """The packages that requirements bring, with what those need in turn."""
    found: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(Requirement(text), frozenset[str]()) for text in requirements]
    while waiting:
        requirement, of = waiting.pop()
        name = canonicalize_name(requirement.name)
        marker = requirement.marker
        if marker and not any(marker.evaluate({"extra": extra}) for extra in (of or {""})):
            continue
        extras = frozenset(requirement.extras)
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        if name == "graphagg":
            waiting += [(Requirement(text), extras) for e in extras for text in EXTRAS[e]]
            continue
        found.add(name)
        waiting += [(Requirement(text), extras) for text in metadata.requires(name) or ()]
    return found


@cache
def size(package: str) -> int:
    """Bytes of the files that a package lists."""
    paths = [Path(str(file.locate())) for file in metadata.files(package) or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())


def row(name: str, requirements: Iterable[str]) -> str:
    """A line of the table; an extra with a package that is not installed has no figures."""
    try:
        packages = needed([*PROJECT["dependencies"], *requirements])
        total = sum(size(package) for package in packages)
    except metadata.PackageNotFoundError as error:
        return f"| {name} | {error.name} is not installed here | |"
    return f"| {name} | {len(packages)} | {total / 2**20:,.0f} |"


def main() -> None:
    """Print the table."""
    torch = metadata.version("torch")
    print(f"PyTorch {torch}; each row with the packages that graphagg always needs.\n")
    print("| install | packages | MiB |\n| --- | ---: | ---: |")
    print(row("graphagg alone", ()))
    for name in EXTRAS:
        if name not in LEFT_OUT:
            print(row(f"`{name}`", [f"graphagg[{name}]"]))
    for names in ("rag,models", "fast,communities,embedding", "all"):
        print(row(f"`{names}`", [f"graphagg[{names}]"]))
    print(f"\nOf PyTorch here, libraries for NVIDIA's GPUs: {gpu_libraries():,.0f} MiB.")


def gpu_libraries() -> float:
    """MiB of what PyTorch needs for CUDA; its build for the CPU needs none of it."""
    packages = [name for name in needed(["torch"]) if name.startswith(("nvidia", "cuda", "triton"))]
    return sum(size(name) for name in packages) / 2**20


if __name__ == "__main__":
    main()
