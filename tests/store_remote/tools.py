"""The servers of the tests: fetched by exact version and checksum, into a cache folder.

    python -m tests.store_remote.tools

builds the S3 server by the Go client, which compares the module with the checksum that is written
here, and brings Hadoop's small cluster by Maven. What cannot be had is left out, and said.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

MODULE, VERSION = "github.com/versity/versitygw", "v1.8.0"
CHECKSUM = "h1:au+wI+aybno/STsQiSm35Uu6Q6iK5MWReQxgO6SEMFc="


HADOOP = "3.5.0"  # as PySpark's own jars, which the small cluster stands on
JARS = {
    f"org.apache.hadoop:hadoop-client-minicluster:{HADOOP}":
        "06772d24529e59939915979b3edba204d367750ef7dc5120411f35221dd4818c",
    "junit:junit:4.13.2": "8e495b634469d64fb8acfa3495a065cbacc8a0fff55ce1e31007be4c16dc57d3",
    "org.hamcrest:hamcrest-core:1.3":
        "66fdef91e9739348df7a096aa384a5685f4e875584cce89386a7a47251c4d8e9",
    "org.mockito:mockito-core:4.11.0":
        "4b909690cab288c761eb94c0bf0e814496cf3921d8affac84cd87774530351e5",
    "net.bytebuddy:byte-buddy:1.14.9":
        "377352e253282bf86f731ac90ed88348e8f40a63ce033c00a85982de7e790e6f",
    "org.junit.jupiter:junit-jupiter-api:5.10.2":
        "afff77c186cd317275803872fa5133aa801fd6ac40bd91c78a6cf8009b4b17cc",
    "org.junit.platform:junit-platform-commons:1.10.2":
        "b56a5ec000a479df4973b18bba24c98fe0db8faa14c8907d3ef451d8c71fd8ae",
    "org.opentest4j:opentest4j:1.3.0":
        "48e2df636cab6563ced64dcdff8abb2355627cb236ef0bf37598682ddf742f1b",
}  # fmt: skip
"""By its Maven coordinates, the sha256 of each jar."""
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy"


def folder() -> Path:
    """Where the tools lie: `$GRAPHAGG_TOOLS`, else a folder of the user's cache."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("GRAPHAGG_TOOLS") or Path(home) / "graphagg-tools")


def versitygw() -> Path:
    """The program of the S3 server; it may not be there yet."""
    return folder() / f"versitygw-{VERSION}"


def fetch() -> Path:
    """Bring and build the server, unless it is there."""
    program = versitygw()
    if program.exists():
        return program
    if shutil.which("go") is None:
        sys.exit("the S3 server of the tests is built by Go 1.25 or newer: install it")
    folder().mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOBIN": str(folder())}
    told = subprocess.run(
        ["go", "mod", "download", "-json", f"{MODULE}@{VERSION}"],
        env=environment, cwd=folder(), check=True, capture_output=True, text=True,
    )  # fmt: skip
    found = json.loads(told.stdout)["Sum"]
    if found != CHECKSUM:
        sys.exit(f"{MODULE}@{VERSION} has the checksum {found}, wanted {CHECKSUM}")
    subprocess.run(
        ["go", "install", f"{MODULE}/cmd/versitygw@{VERSION}"],
        env=environment, cwd=folder(), check=True,
    )  # fmt: skip
    (folder() / "versitygw").replace(program)
    return program


def jars() -> list[Path]:
    """The jars of Hadoop's small cluster; they may not be there yet."""
    names = ("-".join(each.split(":")[1:]) + ".jar" for each in JARS)
    return [folder() / f"hadoop-{HADOOP}" / name for name in names]


def fetch_jars() -> None:
    """Bring the jars that are not there, each compared with its checksum."""
    for (coordinates, sha256), path in zip(JARS.items(), jars(), strict=True):
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["mvn", "-q", "-B", _COPY, f"-Dartifact={coordinates}",
             f"-DoutputDirectory={path.parent}"],
            cwd=path.parent, check=True, capture_output=True,
        )  # fmt: skip
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != sha256:
            path.unlink()
            sys.exit(f"{coordinates} has the sha256 {found}, wanted {sha256}")


if __name__ == "__main__":
    print(fetch())
    if shutil.which("mvn") is None:
        print("no HDFS: Maven (mvn) is not there")
    else:
        fetch_jars()
        print(jars()[0].parent)
