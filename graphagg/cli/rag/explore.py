"""`graphagg rag graph`, `map` and `similar`: a corpus as a whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter
from cyclopts.types import NonNegativeInt

from graphagg.checks import integer
from graphagg.cli.folders import Directory, K
from graphagg.cli.options import as_command, command
from graphagg.cli.output.console import (
    AsJson,
    err,
    out,
    print_json,
    print_rows,
    progress_report,
    show,
)
from graphagg.cli.request import Visible
from graphagg.rag.config.corpus import GraphConfig, MapConfig
from graphagg.rag.corpus.graph import EdgeKind
from graphagg.rag.corpus.similar import By

if TYPE_CHECKING:
    from graphagg.rag.corpus.themes.results import Theme, ThemeMap

_SHOWN = 30  # themes of a table


@command
def graph(
    directory: Directory,
    *,
    target: Annotated[Path, Parameter("--out")],
    config: GraphConfig,
    visible: Visible,
    edges: EdgeKind = "all",
    as_json: AsJson = False,
) -> None:
    """Write the graph of passages and entities, for `communities build` and `embed build` too.

    Example: graphagg rag graph idx --out edges.parquet --edges entities

    Example: graphagg rag graph idx --out corpus.graphml --filter 'year>=2000'

    Options:
        target: file: .parquet, .csv; of all edges .graphml, .gexf too.
        edges: all; entities (of two that share sentences); passages (with entities).
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index:
        corpus = index.graph(config=config, **visible)
    corpus.save(target, edges)
    sizes = corpus.to_json()
    text = (
        f"{target}: {sizes['passages']:,} passages, {sizes['entities']:,} entities, "
        f"{sizes['contains']:,} edges between them, {sizes['shares']:,} between entities"
    )
    show({"file": str(target), "edges": edges, **sizes}, text, as_json)


@command
def names(directory: Directory, *, as_json: AsJson = False) -> None:
    """Suggest names that may mean the same: initials, and spellings that hardly differ.

    Check the list, delete the wrong lines, and build with --known-names FILE.

    Example: graphagg rag names idx
    """
    from graphagg.rag import PassageIndex
    from graphagg.rag.corpus.aliases import suggested_names

    with PassageIndex.open(directory) as index:
        suggestions = suggested_names(index.snapshot)
    lines = [" = ".join((each.name, *each.aliases)) for each in suggestions]
    show({"names": [vars(each) for each in suggestions]}, "\n".join(lines), as_json)
    if not suggestions:
        err.print("no names of this index may mean the same", markup=False)


@as_command(hidden=("resolutions",))  # --resolution takes them one by one
def map_(
    directory: Directory,
    *,
    config: MapConfig,
    visible: Visible,
    resolution: list[float] | None = None,
    theme: str | None = None,
    level: NonNegativeInt | None = None,
    target: Annotated[Path | None, Parameter("--out")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the themes of a corpus, with their typical passages.

    Example: graphagg rag map idx

    Example: graphagg rag map idx --theme 3.1

    Options:
        resolution: resolution of a level, ascending; repeat it. None: 2, 8 and 24.
        theme: show this theme, by its id. None: all.
        level: show the themes of this level, from 0.
        target: write the map: .json; passages: .csv, .parquet.
    """
    from graphagg.rag import PassageIndex

    if resolution:
        config = replace(config, resolutions=tuple(resolution))
    with PassageIndex.open(directory) as index, progress_report() as report:
        theme_map = index.map(config=config, progress=report, **visible)
    if level is not None:
        integer("level", level, 0, len(theme_map.levels) - 1)
    if target is not None:
        theme_map.save(target)
    if theme is not None:
        _show_theme(theme_map, theme_map[theme], as_json)
    elif as_json:
        print_json(theme_map.to_json(level))
    else:
        _show_level(theme_map, theme_map.level if level is None else level)


def _show_level(themes: ThemeMap, level: int) -> None:
    of_level = themes.levels[level] if themes.levels else ()
    largest = sorted(of_level, key=lambda theme: -theme.passages)
    rows: list[dict[str, Any]] = [
        {"theme": theme.id, "passages": theme.passages, "label": theme.label,
         "names": ", ".join(entity.name for entity in theme.entities[:4]), "time": _time(theme)}
        for theme in largest[:_SHOWN]
    ]  # fmt: skip
    for note in themes.notes:
        err.print(f"note: {note}", markup=False)
    print_rows(rows)
    counts = ", ".join(f"{len(each):,}" for each in themes.levels)
    more = f"; of this level {_SHOWN} are shown" if len(largest) > _SHOWN else ""
    out.print(f"{len(themes.passages):,} passages; themes by level: {counts}{more}", markup=False)


def _show_theme(themes: ThemeMap, theme: Theme, as_json: bool) -> None:
    if as_json:
        passages = themes.passages_of(theme.id)
        print_json({**theme.to_json(), "passage_ids": passages})
        return
    time = f"; {_time(theme)}" if theme.span else ""
    sections = {
        f"{theme.id}  {theme.label}": f"{theme.passages:,} passages, {theme.members:,} names{time}",
        "words": ", ".join(theme.words),
        "names": ", ".join(entity.name for entity in theme.entities),
        "most typical": "\n".join(f"  {p.id}  {p.title}" for p in theme.typical),
        "near": "\n".join(f"  {other.id}  {themes[other.id].label}" for other in theme.neighbors),
        "inside": "\n".join(f"  {child}  {themes[child].label}" for child in theme.children),
    }
    for name, text in sections.items():
        if text:
            out.print(f"{name}:{chr(10) if text.startswith(' ') else ' '}{text}", markup=False)


def _time(theme: Theme) -> str:
    if theme.span is None:
        return ""
    first, last = theme.span.first, theme.span.last
    return first if first == last else f"{first} to {last}"


@command
def similar(
    directory: Directory,
    name: str,
    *,
    visible: Visible,
    entity: bool = False,
    by: By | None = None,
    k: K = 10,
    as_json: AsJson = False,
) -> None:
    """Show the passages most like a passage, or the entities most like an entity.

    Example: graphagg rag similar idx warsaw

    Example: graphagg rag similar idx 'Marie Curie' --entity --by text

    Options:
        name: id of a passage, or with --entity a name.
        entity: entities like an entity.
        by: text (vectors of the texts) or graph (entities named together). None: text of passages,
            graph of entities.
        k: number of hits.
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index:
        find = index.similar_entities if entity else index.similar_passages
        options: dict[str, Any] = {**visible} if by is None else {**visible, "by": by}
        similar_items = find(name, k, **options)
    if as_json:
        print_json(similar_items.to_json())
        return
    key = "key" if entity else "id"
    print_rows([{"cosine": s.score, key: s.id, "name": s.name} for s in similar_items.items])
    out.print(f"by {similar_items.by}", markup=False)
