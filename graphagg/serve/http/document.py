"""The OpenAPI document of a service that has everything, without one: for clients made from it.

python -m graphagg.serve.http.document > openapi.json
"""

from __future__ import annotations

import json
import sys
from typing import Any, cast

from fastapi import FastAPI

from graphagg.serve.chat.answers import Answers
from graphagg.serve.http.app import ABOUT
from graphagg.serve.http.routes import about, chat, communities, dify, embedding, passages, themes
from graphagg.serve.http.security import Access
from graphagg.serve.service import Service


def document() -> dict[str, Any]:
    """The document of `/openapi.json` where all kinds of indices are served."""
    none = cast(Service, None)  # routes ask their service only when they are asked
    app = FastAPI(**ABOUT)
    app.include_router(about.router(none, Access()))
    for module in (passages, themes, communities, embedding, dify):
        app.include_router(module.router(none))
    app.include_router(chat.router(Answers(none, None)))
    return app.openapi()


def text() -> str:
    """The document as it is written."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
