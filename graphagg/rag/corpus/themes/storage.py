"""Storage of the theme map: cached in memory and in a folder, rebuilt when the index changes.

The stored map is an artifact of its own in the folder `map` of the index's directory. Its manifest
records its inputs: the passages, models and parameters of the index, and the settings of the map. A
version with the same inputs (compacted, or changed and changed back) keeps its map.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from graphagg.errors import ArtifactError, CorruptArtifact
from graphagg.progress import Progress, silent
from graphagg.rag.config.corpus import MapConfig
from graphagg.rag.corpus.themes.build import theme_map
from graphagg.rag.corpus.themes.results import Theme, ThemeMap
from graphagg.rag.snapshot.snapshot import PassageSnapshot
from graphagg.rag.tables.view import View
from graphagg.store import Artifact, open_artifact, write_artifact
from graphagg.store.layout import array, strings
from graphagg.store.manifest import Manifest, canonical_json, own_folder
from graphagg.store.reading import content_of

KIND = "map"
FOLDER = "map"
_REVISION = 5  # raised when the same index and settings give another map
_THEMES = "themes.json"


def current_map(snapshot: PassageSnapshot, config: MapConfig, progress: Progress) -> ThemeMap:
    """Return the map of a version; write it if it was built now."""
    themes = read_map(snapshot, config)
    if themes is None:
        themes = kept_map(snapshot, snapshot.view(None), config, progress)
        write_map(snapshot, config, themes)
    return themes


def kept_map(
    snapshot: PassageSnapshot, view: View, config: MapConfig, progress: Progress = silent
) -> ThemeMap:
    """Return the map of a view: cached, stored for this state of the index, or built."""

    def make() -> tuple[View, ThemeMap]:
        if view is snapshot.view(None):
            stored = read_map(snapshot, config)
            if stored is not None:
                return view, stored
        return view, theme_map(snapshot, view, config, progress)

    # The cached value holds its view, so that no other view can get the same id.
    return snapshot.cached("map", f"{id(view)} {config!r}", make)[1]


def folder_of(index: Path) -> Path:
    """The folder of an index's map."""
    return index / FOLDER


def inputs_of(snapshot: PassageSnapshot) -> dict[str, str]:
    """The digests of a map's inputs in the index."""
    manifest = snapshot.artifact.manifest
    models = {role: dict(model) for role, model in manifest.models.items()}
    content = canonical_json({"models": models, "parameters": dict(manifest.parameters)})
    return {**manifest.inputs, "index": hashlib.sha256(content).hexdigest()}


def parameters_of(config: MapConfig) -> dict[str, Any]:
    """The settings, for the manifest."""
    return {"revision": _REVISION, **asdict(config), "resolutions": list(config.resolutions)}


def read_map(snapshot: PassageSnapshot, config: MapConfig | None) -> ThemeMap | None:
    """The stored map of this state of an index with these settings (None: any), or None."""
    if snapshot.is_restricted:  # the stored map is of all passages
        return None
    folder = folder_of(snapshot.artifact.directory)
    own_folder(folder)
    try:
        with open_artifact(folder, kind=KIND) as artifact:
            parameters = artifact.manifest.parameters
            if parameters.get("revision") != _REVISION:
                return None
            # As canonical JSON tuples and lists are equal.
            expected = parameters if config is None else parameters_of(config)
            if canonical_json(parameters) != canonical_json(expected):
                return None
            return (
                read_artifact(artifact) if artifact.manifest.inputs == inputs_of(snapshot) else None
            )
    except ArtifactError:  # missing or unreadable: build it again
        return None


def read_artifact(artifact: Artifact) -> ThemeMap:
    """The map that `write_map` wrote; raises `CorruptArtifact`."""
    path = artifact.path(_THEMES)
    with content_of(path):
        plain = json.loads(path.read_text(encoding="utf-8"))
        levels = tuple(tuple(map(Theme.of_json, themes)) for themes in plain["levels"])
        modularity = tuple(map(float, plain["modularity"]))
        when = None if plain["when"] is None else str(plain["when"])
    artifact.declare([
        *strings("passages", "P"),
        array("passage_theme", "<i4", len(levels), "P"),
        *strings("entities", "E"),
        array("entity_theme", "<i4", len(levels), "E"),
    ])  # fmt: skip
    artifact.check_values()
    counts = np.array([len(themes) for themes in levels], np.int64)[:, None]
    for name in ("passage_theme", "entity_theme"):
        themes = artifact.array(name)
        if ((themes < -1) | (themes >= counts)).any():
            raise CorruptArtifact(f"{artifact.folder}: {name}.npy names a theme that is not there")
    return ThemeMap(
        levels,
        artifact.strings("passages"),
        artifact.array("passage_theme"),
        artifact.strings("entities"),
        artifact.array("entity_theme"),
        when,
        modularity,
    )


def write_map(snapshot: PassageSnapshot, config: MapConfig, theme_map: ThemeMap) -> None:
    """Write the map of a version of an index, replacing the existing one.

    Raises:
        ArtifactBusy, ArtifactError, WriteFailed: about the folder.
    """
    plain = {
        "levels": [[theme.to_json() for theme in themes] for themes in theme_map.levels],
        "when": theme_map.when,
        "modularity": list(theme_map.modularity),
    }
    with write_artifact(folder_of(snapshot.artifact.directory)) as publication:
        writer = publication.writer
        writer.path(_THEMES).write_text(
            json.dumps(plain, ensure_ascii=False, separators=(",", ":")), encoding="utf-8"
        )
        writer.strings("passages", theme_map.passages)
        writer.strings("entities", theme_map.entities)
        writer.array("passage_theme", np.asarray(theme_map.passage_theme, np.int32))
        writer.array("entity_theme", np.asarray(theme_map.entity_theme, np.int32))
        counts = {"passages": len(theme_map.passages), "entities": len(theme_map.entities)}
        publication.publish(
            Manifest(
                kind=KIND,
                parameters=parameters_of(config),
                inputs=inputs_of(snapshot),
                counts={**counts, "levels": len(theme_map.levels), "themes": len(theme_map)},
            )
        )
