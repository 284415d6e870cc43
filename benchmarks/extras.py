"""Measures what each extra installs: number of packages and MiB, including their dependencies.

Run `python -m benchmarks.extras` in an environment that has all extras. Nothing is installed or
downloaded: the script adds up the sizes of the files that each package lists. It prints the table
of `docs/guides/install.md`. PyTorch counts with the build that is installed here: for CUDA or for
the CPU only.
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
    """Return the packages of some requirements, including transitive dependencies."""
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
    """Return the total size in bytes of the files that a package lists."""
    paths = [Path(str(file.locate())) for file in metadata.files(package) or ()]
    return sum(path.stat().st_size for path in paths if path.is_file())


def row(name: str, requirements: Iterable[str]) -> str:
    """Return a line of the table; there are no figures if a package is not installed."""
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
    """Return the MiB of PyTorch's CUDA dependencies; its build for the CPU has none of them."""
    packages = [name for name in needed(["torch"]) if name.startswith(("nvidia", "cuda", "triton"))]
    return sum(size(name) for name in packages) / 2**20


if __name__ == "__main__":
    main()
