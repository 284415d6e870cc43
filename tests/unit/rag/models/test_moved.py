"""Modules that the README once named say where their content is now."""

from __future__ import annotations

from importlib import import_module

import pytest

import graphagg.rag
from graphagg.rag.models import encoder, extractor


@pytest.mark.parametrize(
    ("module", "name", "home"),
    [("encoder", "Encoder", encoder), ("entities", "EntityExtractor", extractor)],
)
def test_a_module_that_moved_names_the_import(module: str, name: str, home: object) -> None:
    with pytest.raises(ImportError, match=f"moved: from graphagg.rag import {name}$"):
        import_module(f"graphagg.rag.{module}")
    assert getattr(graphagg.rag, name) is getattr(home, name)
    assert name in graphagg.rag.__all__
