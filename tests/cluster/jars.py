"""Jars of the tests: by exact version, each compared with its checksum.

    python -m tests.cluster.jars

brings them by Maven into the folder of the tools: hadoop-aws of the Hadoop that PySpark comes with,
and of the AWS SDK what that needs for S3, in place of the bundle of all services. And by pip the
PySpark that the jars of Delta and Iceberg start with; these it brings itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.store_remote.tools import folder

HADOOP, SDK = "3.5.0", "2.35.4"
_HERE = Path(__file__).parent
_POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion>
<groupId>graphagg</groupId><artifactId>jars</artifactId><version>1</version>
<dependencies>{}</dependencies></project>
"""
_DEPENDENCY = (
    "<dependency><groupId>{}</groupId><artifactId>{}</artifactId><version>{}</version>"
    "<exclusions>{}</exclusions></dependency>"
)
_EXCLUSION = "<exclusion><groupId>{}</groupId><artifactId>*</artifactId></exclusion>"


@dataclass(frozen=True)
class Jars:
    """Jars of a purpose, in a folder of the tools.

    Attributes:
        name: of the folder, and of the list of checksums beside this file.
        dependencies: group, artifact, version, and the group of what is left out (`*`: all).
    """

    name: str
    dependencies: tuple[tuple[str, str, str, str], ...]

    def paths(self) -> list[Path]:
        """The jars; none where they were not brought."""
        return sorted((folder() / self.name).glob("*.jar"))

    def checksums(self) -> dict[str, str]:
        """The sha256 of each jar, by its name."""
        lines = (_HERE / f"{self.name}.sha256").read_text().splitlines()
        return {name: digest for digest, name in (line.split() for line in lines)}

    def fetch(self) -> Path:
        """Bring the jars, unless they are there."""
        target = folder() / self.name
        if self.paths():
            return target
        if shutil.which("mvn") is None:
            sys.exit("the jars of the tests come by Maven: install it (apt-get install maven)")
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder()) as work:
            entries = (
                _DEPENDENCY.format(*each, _EXCLUSION.format(without))
                for *each, without in self.dependencies
            )
            Path(work, "pom.xml").write_text(_POM.format("".join(entries)))
            goal = ["dependency:copy-dependencies", f"-DoutputDirectory={work}/jars"]
            subprocess.run(["mvn", "-q", "-B", *goal], cwd=work, check=True)
            found = {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in Path(work, "jars").iterdir()
            }
            wrong = sorted(dict(found.items() ^ self.checksums().items()))
            if wrong:
                sys.exit(f"jars that are not those of {self.name}.sha256: {', '.join(wrong)}")
            os.replace(f"{work}/jars", target)
        return target


S3 = Jars(
    f"hadoop-aws-{HADOOP}",
    (
        ("org.apache.hadoop", "hadoop-aws", HADOOP, "*"),
        ("software.amazon.s3.analyticsaccelerator", "analyticsaccelerator-s3", "1.3.1", "*"),
        ("software.amazon.awssdk", "s3-transfer-manager", SDK, "org.slf4j"),
        ("software.amazon.awssdk", "apache-client", SDK, "org.slf4j"),
        ("software.amazon.awssdk", "sts", SDK, "org.slf4j"),
    ),
)

TABLES_PYSPARK = "4.1.4"
TABLES = (
    "io.delta:delta-spark_4.1_2.13:4.4.0",
    "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
)
"""Delta and Iceberg, as `--packages`; no release of theirs starts with a newer PySpark together."""


def pyspark_of_tables() -> Path:
    """The folder of the PySpark that starts with `TABLES`."""
    return folder() / f"pyspark-{TABLES_PYSPARK}"


def fetch_pyspark() -> Path:
    """Bring it by pip, unless it is there."""
    target = pyspark_of_tables()
    if not target.exists():
        words = ["pip", "install", "--quiet", "--target", str(target)]
        subprocess.run([sys.executable, "-m", *words, f"pyspark=={TABLES_PYSPARK}"], check=True)
    return target


def jars() -> list[Path]:
    """Those of S3 for Spark."""
    return S3.paths()


if __name__ == "__main__":
    print(S3.fetch())
    print(fetch_pyspark())
