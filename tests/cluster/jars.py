"""Spark's side of S3 for the tests: jars by exact version, each compared with its checksum.

    python -m tests.cluster.jars

brings them by Maven into the folder of the tools. It is hadoop-aws of the Hadoop that PySpark comes
with, and of the AWS SDK what that needs for S3, in place of the bundle of all services.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.store_remote.tools import folder

HADOOP, SDK = "3.5.0", "2.35.4"
_HERE = Path(__file__).parent
_DEPENDENCIES = (
    ("org.apache.hadoop", "hadoop-aws", HADOOP),
    ("software.amazon.s3.analyticsaccelerator", "analyticsaccelerator-s3", "1.3.1"),
    ("software.amazon.awssdk", "s3-transfer-manager", SDK),
    ("software.amazon.awssdk", "apache-client", SDK),
    ("software.amazon.awssdk", "sts", SDK),
)
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>graphagg</groupId><artifactId>jars</artifactId><version>1</version>
<dependencies>{}</dependencies></project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
    "<exclusions>{}</exclusions></dependency>"
)
_ALL = "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"
_LOGGER = "<exclusion><groupId>org.slf4j</groupId><artifactId>*</artifactId></exclusion>"


def jars() -> list[Path]:
    """The jars; none where they were not brought."""
    return sorted((folder() / f"hadoop-aws-{HADOOP}").glob("*.jar"))


def checksums() -> dict[str, str]:
    """The sha256 of each jar, by its name."""
    lines = (_HERE / "jars.sha256").read_text().splitlines()
    return {name: digest for digest, name in (line.split() for line in lines)}


def fetch() -> Path:
    """Bring the jars, unless they are there."""
    target = folder() / f"hadoop-aws-{HADOOP}"
    if jars():
        return target
    if shutil.which("mvn") is None:
        sys.exit("the jars of the tests come by Maven: install it (Debian: apt-get install maven)")
    folder().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder()) as work:
        entries = (
            _DEPENDENCY.format(*each, _LOGGER if each[0] == "software.amazon.awssdk" else _ALL)
            for each in _DEPENDENCIES
        )
        Path(work, "pom.xml").write_text(_POM.format("".join(entries)))
        goal = ["dependency:copy-dependencies", f"-DoutputDirectory={work}/jars"]
        subprocess.run(["mvn", "-q", "-B", *goal], cwd=work, check=True)
        found = {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in Path(work, "jars").iterdir()
        }
        wrong = sorted(dict(found.items() ^ checksums().items()))
        if wrong:
            sys.exit(f"jars that are not those of tests/cluster/jars.sha256: {', '.join(wrong)}")
        os.replace(f"{work}/jars", target)
    return target


if __name__ == "__main__":
    print(fetch())
