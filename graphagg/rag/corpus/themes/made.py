"""Where a map comes from: its folder, the memory of this process, or made now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphagg.progress import Progress
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.themes.build import theme_map
from graphagg.rag.corpus.themes.results import ThemeMap
from graphagg.rag.corpus.themes.stored import read_map, write_map
from graphagg.rag.question.selection import Selection
from graphagg.rag.snapshot.snapshot import Snapshot
from graphagg.rag.tables.view import View

if TYPE_CHECKING:
    from graphagg.rag.models.endpoint import Endpoint


def current_map(
    snapshot: Snapshot,
    config: MapConfig,
    update: bool,
    labels: Endpoint | None,
    progress: Progress,
) -> ThemeMap:
    """The map of a version; written where it was made or labeled anew.

    Args:
        snapshot: the version.
        config: the settings.
        update: make one that is old anew.
        labels: a model that names the themes.
        progress: called with stage, done, total.
    """
    found = read_map(snapshot, config)
    if found is not None and (not found.is_old or not update):
        if labels is None or found.labeled_by == labels.model or found.is_old:
            return found
    else:
        found = map_of_view(snapshot, Selection(), config, None, progress)
    if labels is not None:
        found = _labeled(found, labels, progress)
    write_map(snapshot, config, found)
    return found


def map_of_view(
    snapshot: Snapshot,
    selection: Selection,
    config: MapConfig,
    labels: Endpoint | None,
    progress: Progress,
) -> ThemeMap:
    """The map of what a selection shows; the last ones that were used are kept in memory."""
    progress("themes", 0, 1)
    found = kept_map(snapshot, snapshot.scope(selection).view, config)
    progress("themes", 1, 1)
    return found if labels is None else _labeled(found, labels, progress)


def kept_map(snapshot: Snapshot, view: View, config: MapConfig) -> ThemeMap:
    """The map of a view; the last ones that were used are kept in memory.

    That of all passages is read where the folder holds it for this state of the index.
    """

    def make() -> tuple[View, ThemeMap]:
        if view is snapshot.view(None):
            stored = read_map(snapshot, config)
            if stored is not None and not stored.is_old and not stored.labeled_by:
                return view, stored
        return view, theme_map(snapshot, view, config)

    # What is kept holds its view, so that no other view can have the same id meanwhile.
    return snapshot.kept("map", f"{id(view)} {config!r}", make)[1]


def _labeled(made: ThemeMap, labels: Endpoint, progress: Progress) -> ThemeMap:
    from graphagg.rag.corpus.themes.labels import labeled

    return labeled(made, labels, progress=progress)
