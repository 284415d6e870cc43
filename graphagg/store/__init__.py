"""The artifact directory: each index is an immutable, memory-mapped, verifiable folder.

    DIR/manifest.json      names the data folder and every file in it
    DIR/v-<digest>/        the files: .npy, .json, Parquet
    DIR/.lock              locked by the process that writes
    DIR/.job.json          the Spark job that built it, and its input (`graphagg.spark.build`)
    DIR/.tmp-<random>/     files that a build is writing
    DIR/.pull/             files that an unfinished pull from a store has downloaded

`write_artifact` fills a `.tmp-` folder, syncs it, renames it to `v-<digest>` and then replaces
`manifest.json` with one atomic `os.replace`: at any time, the old or the new index can be opened.
A reader holds a shared lock on the data folder that it opened. A writer removes an older folder
only if it gets an exclusive lock (see `graphagg.store.locks`). Format: `indices/README.md`.

An index on an object store is published by `graphagg.store.remote`; `open_artifact` and
`write_artifact` take a directory or an address.

    >>> from tempfile import mkdtemp
    >>> import numpy as np
    >>> from graphagg.store import manifest_at, open_artifact, verify_at, write_artifact
    >>> from graphagg.store.manifest import Manifest
    >>> folder = mkdtemp()
    >>> with write_artifact(folder) as publication:
    ...     publication.writer.array("squares", np.arange(3) ** 2)
    ...     publication.writer.strings("names", ["one", "two"])
    ...     manifest = publication.publish(Manifest("demo", counts={"numbers": 3}))
    >>> with open_artifact(folder, kind="demo") as artifact:
    ...     print(artifact.array("squares"), artifact.strings("names")[1])
    [0 1 4] two
    >>> manifest_at(folder).counts, verify_at(folder) == manifest
    ({'numbers': 3}, True)
"""

from typing import TYPE_CHECKING

from graphagg.lazy import lazy_names

if TYPE_CHECKING:
    from graphagg.store.artifact import manifest_at as manifest_at
    from graphagg.store.artifact import open_artifact as open_artifact
    from graphagg.store.artifact import verify_at as verify_at
    from graphagg.store.artifact import write_artifact as write_artifact
    from graphagg.store.reading import Artifact as Artifact
    from graphagg.store.writing import JOB_NOTE as JOB_NOTE
    from graphagg.store.writing import ArtifactWriter as ArtifactWriter
    from graphagg.store.writing import Publication as Publication
else:
    __getattr__, __dir__, __all__ = lazy_names(__name__)
