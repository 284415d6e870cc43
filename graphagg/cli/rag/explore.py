"""`graphagg rag graph`, `map`, `similar` and `versions`: explore a corpus as a whole."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from graphagg.cli.folders import Directory, K
from graphagg.cli.options import FLAT
from graphagg.cli.output.console import (
    AsJson,
    err,
    out,
    print_json,
    print_rows,
    progress_report,
    show,
)
from graphagg.cli.request import Visible, VisibleOptions
from graphagg.rag.config.corpus import GraphConfig, MapConfig
from graphagg.rag.corpus.graph import EdgeKind

if TYPE_CHECKING:
    from graphagg.rag.corpus.themes import Theme, ThemeMap

_SHOWN = 30  # maximum number of themes in a table


def graph(
    directory: Directory,
    /,
    *,
    target: Annotated[Path, Parameter("--out")],
    config: Annotated[GraphConfig, FLAT] = GraphConfig(),
    visible: Visible = VisibleOptions(),
    edges: EdgeKind = "entities",
    as_json: AsJson = False,
) -> None:
    """Write the graph of passages and entities, for example as input of `communities build`.

    Example: graphagg rag graph idx --out edges.parquet --filter 'year>=2000'

    Args:
        target: file to write: .parquet or .csv.
        edges: edges to write: entities (pairs that occur in the same sentence), or passages (pairs
            of a passage and an entity).
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index:
        corpus = index.graph(config=config, **visible.visible())
    corpus.save(target, edges)
    sizes = corpus.to_json()
    text = (
        f"{target}: {sizes['passages']:,} passages, {sizes['entities']:,} entities, "
        f"{sizes['contains']:,} edges between them, {sizes['shares']:,} between entities"
    )
    show({"file": str(target), "edges": edges, **sizes}, text, as_json)


def versions(directory: Directory, /, *, as_json: AsJson = False) -> None:
    """List the documents that are versions of each other, with their dates, oldest first.

    Front matter overrides the list: `version_of: none` removes a file from it, and
    `successor: PATH` sets the next version.

    Example: graphagg rag versions idx
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index:
        families = index.versions()
    if as_json:
        print_json({"families": [[vars(each) for each in family] for family in families]})
        return
    for family in families:
        lines = (f"  {v.when[:10]}  {v.document}  ({v.dated_by or 'when'})" for v in family)
        out.print("\n".join((family[-1].title or family[-1].document, *lines)), markup=False)
    if not families:
        err.print("no document in this index has another version", markup=False)


def map_(
    directory: Directory,
    /,
    *,
    config: Annotated[MapConfig, FLAT] = MapConfig(),
    visible: Visible = VisibleOptions(),
    theme: str | None = None,
    target: Annotated[Path | None, Parameter("--out")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the themes of a corpus, with their typical passages.

    Example: graphagg rag map idx

    Example: graphagg rag map idx --theme 3

    Args:
        theme: show the theme with this id.
        target: output file: the map as .json, or its passages as .csv or .parquet.
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index, progress_report() as report:
        theme_map = index.map(config=config, progress=report, **visible.visible())
    if target is not None:
        theme_map.save(target)
    if theme is not None:
        _show_theme(theme_map, theme_map[theme], as_json)
    elif as_json:
        print_json(theme_map.to_json())
    else:
        _show_themes(theme_map)


def _show_themes(themes: ThemeMap) -> None:
    rows: list[dict[str, Any]] = [
        {"theme": theme.id, "passages": theme.passages, "label": theme.label,
         "names": ", ".join(entity.name for entity in theme.entities[:4]), "time": _time(theme)}
        for theme in themes.themes[:_SHOWN]
    ]  # fmt: skip
    print_rows(rows)
    more = f"; {_SHOWN} are shown" if len(themes) > _SHOWN else ""
    count = f"{len(themes.passages):,} passages, {len(themes):,} themes"
    out.print(f"{count}{more}", markup=False)


def _show_theme(themes: ThemeMap, theme: Theme, as_json: bool) -> None:
    if as_json:
        print_json({**theme.to_json(), "passage_ids": themes.passages_of(theme.id)})
        return
    time = f"; {_time(theme)}" if theme.span else ""
    sections = {
        f"{theme.id}  {theme.label}": f"{theme.passages:,} passages{time}",
        "words": ", ".join(theme.words),
        "names": ", ".join(entity.name for entity in theme.entities),
        "most typical": "\n".join(f"  {p.id}  {p.title}" for p in theme.typical),
    }
    for name, text in sections.items():
        if text:
            out.print(f"{name}:{chr(10) if text.startswith(' ') else ' '}{text}", markup=False)


def _time(theme: Theme) -> str:
    if theme.span is None:
        return ""
    first, last = theme.span.first[:10], theme.span.last[:10]
    return first if first == last else f"{first} to {last}"


def similar(
    directory: Directory,
    name: str,
    /,
    *,
    visible: Visible = VisibleOptions(),
    entity: bool = False,
    k: K = 10,
    as_json: AsJson = False,
) -> None:
    """Show the passages most similar to a passage, or the entities most similar to an entity.

    Example: graphagg rag similar idx warsaw

    Example: graphagg rag similar idx 'Marie Curie' --entity

    Args:
        name: id of a passage, or the name of an entity with --entity.
        entity: find similar entities instead of passages.
        k: number of hits.
    """
    from graphagg.rag import PassageIndex

    with PassageIndex.open(directory) as index:
        find = index.similar_entities if entity else index.similar_passages
        similar_items = find(name, k, **visible.visible())
    if as_json:
        print_json(similar_items.to_json())
        return
    key = "key" if entity else "id"
    print_rows([{"cosine": s.score, key: s.id, "name": s.name} for s in similar_items.items])
