"""A map beside its index: written once a state of the index, and known as old when that changes.

The map is an artifact of its own in the folder `map` of the index's directory. It is bound to what
it was made from: the passages, the models and parameters of the index, and the settings of the map.
A version that differs in nothing of these (compacted, or changed and changed back) keeps
its map.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import ArtifactError
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.results import Theme, ThemeMap
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.store import Artifact, open_artifact, write_artifact
from graphagg.store.manifest import Manifest, canonical_json

KIND = "map"
FOLDER = "map"
_REVISION = 2  # raised when the same index and settings give another map
_THEMES = "themes.json"


def folder_of(index: Path) -> Path:
    """Where the map of an index lies."""
    return index / FOLDER


def inputs_of(snapshot: Snapshot) -> dict[str, str]:
    """What a map is made from."""
    manifest = snapshot.artifact.manifest
    models = {role: dict(model) for role, model in manifest.models.items()}
    made = canonical_json({"models": models, "parameters": dict(manifest.parameters)})
    return {**manifest.inputs, "index": hashlib.sha256(made).hexdigest()}


def parameters_of(config: MapConfig) -> dict[str, Any]:
    """The settings, as a manifest holds them."""
    return {"revision": _REVISION, **asdict(config), "resolutions": list(config.resolutions)}


def read_map(snapshot: Snapshot, config: MapConfig | None) -> ThemeMap | None:
    """The stored map of an index; None where there is none, or one of other settings.

    It says whether it `is_old`: made from another state of the index.

    Args:
        snapshot: the version of the index.
        config: the settings; None takes any.
    """
    try:
        artifact = open_artifact(folder_of(snapshot.artifact.directory), kind=KIND)
    except ArtifactError:  # none there, or one that cannot be read: it is made anew
        return None
    with artifact:
        parameters = artifact.manifest.parameters
        if parameters.get("revision") != _REVISION:
            return None
        if config is not None and _settings(parameters) != _settings(parameters_of(config)):
            return None
        is_old = artifact.manifest.inputs != inputs_of(snapshot)
        return replace(_read(artifact), is_old=is_old)


def _settings(parameters: Mapping[str, Any]) -> bytes:
    """The settings alone, in one form: a manifest that was read holds lists for tuples."""
    return canonical_json({k: v for k, v in parameters.items() if k != "labeled_by"})


def _read(artifact: Artifact) -> ThemeMap:
    plain = json.loads(artifact.path(_THEMES).read_text(encoding="utf-8"))
    return ThemeMap(
        tuple(tuple(Theme.of_json(theme) for theme in themes) for themes in plain["levels"]),
        artifact.strings("passages"),
        artifact.array("passage_theme"),
        artifact.strings("entities"),
        artifact.array("entity_theme"),
        plain["when"],
        tuple(plain["modularity"]),
        str(artifact.manifest.parameters["labeled_by"]),
    )


def write_map(snapshot: Snapshot, config: MapConfig, made: ThemeMap) -> None:
    """Write the map of a version of an index, in place of the one that is there.

    Raises:
        ArtifactBusy, ArtifactError, WriteFailed: about the folder.
    """
    plain = {
        "levels": [[theme.to_json() for theme in themes] for themes in made.levels],
        "when": made.when,
        "modularity": list(made.modularity),
    }
    with write_artifact(folder_of(snapshot.artifact.directory)) as publication:
        writer = publication.writer
        writer.path(_THEMES).write_text(
            json.dumps(plain, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
        )
        writer.strings("passages", made.passages)
        writer.strings("entities", made.entities)
        writer.array("passage_theme", np.asarray(made.passage_theme, np.int32))
        writer.array("entity_theme", np.asarray(made.entity_theme, np.int32))
        counts = {"passages": len(made.passages), "entities": len(made.entities)}
        publication.publish(
            Manifest(
                kind=KIND,
                parameters={**parameters_of(config), "labeled_by": made.labeled_by},
                inputs=inputs_of(snapshot),
                counts={**counts, "levels": len(made.levels), "themes": len(made)},
            )
        )
