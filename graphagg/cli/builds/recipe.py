"""`graphagg build RECIPE.toml`: build an index from its recipe."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from graphagg.cli.builds.build import Build, RunOptions
from graphagg.cli.builds.graphs import BUNDLED, CommunitiesBuild, EmbeddingBuild, GraphBuild
from graphagg.cli.builds.passages import PassagesBuild
from graphagg.cli.builds.run import run_build
from graphagg.cli.options import command
from graphagg.cli.output.console import AsJson
from graphagg.cli.settings import from_table, read_toml
from graphagg.errors import InvalidParameter, InvalidRecipe, UnreadableFile

BUILDS: dict[str, type[Build]] = {
    build.kind: build for build in (PassagesBuild, CommunitiesBuild, EmbeddingBuild)
}


@command
def build(recipe: Path, *, force: bool = False, as_json: AsJson = False) -> None:
    """Build the index that a recipe describes, into build/ beside it.

    Example: graphagg build indices/demo-communities/recipe.toml --force

    Options:
        recipe: the recipe, a TOML file.
        force: build also where nothing changed.
    """
    run = RunOptions(out=str(recipe.parent / "build"), force=force, json=as_json)
    run_build(read_recipe(recipe), run)


def read_recipe(path: Path) -> Build:
    """Read a recipe, whose paths are relative to its folder; raises `InvalidRecipe`."""
    try:
        raw = read_toml(path)
    except UnreadableFile as error:
        raise InvalidRecipe(str(error)) from None
    kind = raw.pop("kind", None)
    if kind not in BUILDS:
        raise InvalidRecipe(f"{path}: key 'kind' is {kind!r}, wanted one of {', '.join(BUILDS)}")
    build = BUILDS[kind]
    source = fields(build)[0].name  # type: ignore[arg-type]  # every build is a dataclass
    place = raw.pop("input", None)
    if not isinstance(place, str):
        raise InvalidRecipe(f"{path}: key 'input' is {place!r}, wanted a path")
    if source in raw:
        raise InvalidRecipe(f"{path}: key {source!r} is unknown; the input is called 'input'")
    place = place if place.startswith(BUNDLED) else str(path.parent / place)
    raw[source] = [place] if issubclass(build, GraphBuild) else place
    try:
        return from_table(build, raw)
    except InvalidParameter as error:
        raise InvalidRecipe(f"{path}: {error}") from None
