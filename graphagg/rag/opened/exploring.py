"""The corpus of a passage index as a whole: its graph, its themes, and what is alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from graphagg.progress import Progress, silent
from graphagg.rag.config.graph import GraphConfig
from graphagg.rag.config.themes import MapConfig
from graphagg.rag.corpus.graph.corpus_graph import CorpusGraph, corpus_graph
from graphagg.rag.corpus.similar import By, Likes, similar_entities, similar_passages
from graphagg.rag.corpus.themes.results import ThemeMap
from graphagg.rag.corpus.themes.storage import current_map, map_of_view
from graphagg.rag.opened.base import Opened
from graphagg.rag.question.checks import selection_of

if TYPE_CHECKING:
    from graphagg.rag.models.endpoint import Endpoint

_GRAPH = GraphConfig()
_MAP = MapConfig()


class Exploring(Opened):
    """What a `PassageIndex` says of its corpus; no model is loaded."""

    def graph(
        self,
        *,
        config: GraphConfig = _GRAPH,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
    ) -> CorpusGraph:
        """The graph of passages and entities; no model is loaded.

        What `filter`, `include` or `exclude` leave out is no part of it and changes no weight: it
        is the graph of an index of exactly the passages that are visible.

        Args:
            config: how entities are tied.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.

        Raises:
            InvalidFilter: the filter names an unknown key or does not fit its type.
            InvalidParameter: ids are no list.
        """
        snapshot = self.snapshot
        view = snapshot.scope(selection_of(filter, include, exclude, False)).view
        return corpus_graph(snapshot, view, config)

    def map(
        self,
        *,
        config: MapConfig = _MAP,
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
        update: bool = True,
        labels: Endpoint | None = None,
        progress: Progress = silent,
    ) -> ThemeMap:
        """The themes of the corpus at several resolutions; no model is loaded.

        The map of all passages is kept in the folder `map` of the index, and made anew only where
        the passages, the models or the settings changed. Under a filter it is made in memory: that
        of an index of exactly the passages that are visible.

        Args:
            config: resolutions, and what is shown of a theme.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.
            update: make a map that is old anew; else it is given as it is, and says `is_old`.
            labels: a language model that names the themes; None: their distinctive words do.
            progress: called with stage, done, total.

        Raises:
            InvalidFilter: the filter names an unknown key or does not fit its type.
            InvalidParameter: ids are no list, or `config.when` dates no passage.
            EndpointError: the language model did not answer; nothing was written.
            ArtifactBusy, ArtifactError, WriteFailed: about the folder of the map.
            MissingExtra: scikit-network is not installed.
        """
        selection = selection_of(filter, include, exclude, False)
        if selection.is_all:
            return current_map(self.snapshot, config, update, labels, progress)
        return map_of_view(self.snapshot, selection, config, labels, progress)

    def similar_passages(
        self,
        passage_id: str,
        k: int = 10,
        *,
        by: By = "text",
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
    ) -> Likes:
        """The `k` visible passages most like one; no model is loaded.

        Args:
            passage_id: the passage.
            k: how many.
            by: `text`: the vectors of their texts; `graph`: what they name.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.

        Raises:
            UnknownPassage: there is no such passage, or it is not visible.
            InvalidParameter: `k` is under 1, or `by` is unknown.
            InvalidFilter: the filter names an unknown key or does not fit its type.
        """
        selection = selection_of(filter, include, exclude, False)
        return similar_passages(self.snapshot, selection, passage_id, k, by)

    def similar_entities(
        self,
        name: str,
        k: int = 10,
        *,
        by: By = "graph",
        filter: Mapping[str, Any] | None = None,
        include: Sequence[str] | None = None,
        exclude: Sequence[str] = (),
    ) -> Likes:
        """The `k` entities most like one, by its name in any case; no model is loaded.

        Args:
            name: the entity.
            k: how many.
            by: `graph`: what names them, and what they share sentences with; `text`: the vectors
                of the passages that name them.
            filter: conditions on metadata.
            include: only these passages, by their ids or those of their documents.
            exclude: not these.

        Raises:
            UnknownEntity: no visible passage names it.
            InvalidParameter: `k` is under 1, or `by` is unknown.
            InvalidFilter: the filter names an unknown key or does not fit its type.
        """
        selection = selection_of(filter, include, exclude, False)
        return similar_entities(self.snapshot, selection, name, k, by)
