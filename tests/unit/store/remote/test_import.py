"""Libraries of stores load when an address is used, not before."""

from __future__ import annotations

import subprocess
import sys


def test_nothing_of_a_store_is_loaded_for_local_indices() -> None:
    code = (
        "import sys, tempfile, graphagg.store\n"
        "from graphagg.store.manifest import Manifest\n"
        "folder = tempfile.mkdtemp()\n"
        "with graphagg.store.write_artifact(folder) as publication:\n"
        "    publication.publish(Manifest('test'))\n"
        "graphagg.store.open_artifact(folder).close()\n"
        "print([name for name in ('obstore', 'fsspec', 'asyncio') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
