"""The OpenAPI document of a service that has all kinds of indices, for clients made from it.

python -m graphagg.serve.http.document > openapi.json
"""

from __future__ import annotations

import json
import sys
from typing import Any, cast

from fastapi import FastAPI

from graphagg.serve.chat import Answers
from graphagg.serve.http.app import ABOUT, ROUTERS, add_routes
from graphagg.serve.http.security import Access
from graphagg.serve.service import Service


def document() -> dict[str, Any]:
    """The document of `/openapi.json` where all kinds of indices are served."""
    none = cast(Service, None)  # routes use their service only to answer
    app = FastAPI(**ABOUT)
    add_routes(app, none, Access(), Answers(none, None), ROUTERS)
    return app.openapi()


if __name__ == "__main__":
    text = json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True)
    sys.stdout.write(text + "\n")
