"""Models of requests and answers; the OpenAPI document is made from them.

Requests are strict: an unknown key or a value of another type is refused. Integer ids beyond what
JavaScript holds exactly come back as strings; both forms are taken everywhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from graphagg.communities.config import Method, Plan
from graphagg.rag.excerpts import CHARACTERS
from graphagg.rag.results import HopKind
from graphagg.rag.settings import Mode
from graphagg.serve.limits import (
    LONGEST_NAME,
    LONGEST_QUESTION,
    MOST_BATCH,
    MOST_CHARACTERS,
    MOST_HITS,
    MOST_MEMBERS,
    MOST_SEEDS,
    MOST_TEXT,
)


def unicode_text(text: str) -> str:
    """The text itself; `ValueError` where it holds a lone surrogate, which no UTF-8 can carry."""
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("a lone surrogate is no Unicode text; remove it")
    return text


def shown_id(vertex: ShownVertex) -> ShownVertex:
    """An id as JSON: an integer that JavaScript would round becomes a string."""
    if isinstance(vertex, int) and vertex >= _EXACT_IN_JAVASCRIPT:
        return str(vertex)
    return vertex


def _whole(value: object) -> object:
    """JSON knows one type of number: 5.0 is the integer 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Name = Annotated[str, StringConstraints(max_length=LONGEST_NAME), AfterValidator(unicode_text)]
"""A passage id, or a vertex id as text."""
Number = Annotated[int, Field(ge=0), BeforeValidator(_whole)]
Vertex = Name | Number
"""A vertex id as the user wrote it."""
ShownVertex = str | int
"""A vertex id in an answer, of any length."""
_EXACT_IN_JAVASCRIPT = 2**53
Question = Annotated[
    str,
    StringConstraints(min_length=1, max_length=LONGEST_QUESTION),
    AfterValidator(unicode_text),
]
Hits = Annotated[int, Field(ge=1, le=MOST_HITS), BeforeValidator(_whole)]
Characters = Annotated[int, Field(ge=1, le=MOST_CHARACTERS), BeforeValidator(_whole)]
Score = Annotated[float | None, Field(allow_inf_nan=False, strict=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=False)]
Days = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=False)]
Moment = Annotated[str | None, StringConstraints(max_length=LONGEST_NAME)]
Members = Annotated[int, Field(ge=1, le=MOST_MEMBERS), BeforeValidator(_whole)]
Seeds = Annotated[list[Vertex], Field(min_length=1, max_length=MOST_SEEDS)]


class Request(BaseModel):
    """Base of what the service takes."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Result(BaseModel):
    """Base of what the service gives."""

    model_config = ConfigDict(extra="forbid")


class ErrorDetail(Result):
    """A named error."""

    type: str = Field(description="Name of the error, such as UnknownVertex.")
    message: str = Field(description="What was found, what was wanted, what to do.")


class ErrorAnswer(Result):
    """What every refusal looks like."""

    error: ErrorDetail


class Timed(Result):
    """An answer with what it took."""

    latency_ms: float = Field(description="Wall time in the service.")
    cpu_ms: float = Field(description="Thread time, with its share of a batch.")


# --- passages ------------------------------------------------------------------------------------


class _SearchOptions(Request):
    top_k: Hits = 5
    mode: Mode = "best"
    filter: dict[str, Any] | None = Field(
        default=None, description='Conditions on metadata: {"year": {"gte": 2000}}.'
    )
    as_of: Moment = Field(
        default=None,
        description="An ISO 8601 date (and time); passages whose metadata `when` is later are not "
        "seen.",
    )
    recency: Weight = Field(
        default=0.0, description="What the newest passages gain; 0: age changes nothing."
    )
    half_life: Days = Field(default=30.0, description="Days after which they gain half as much.")
    min_score: Score = Field(default=None, description="Leave out hits that score less.")
    characters: Characters = Field(
        default=CHARACTERS,
        description="Of a hit and the chunks around it; with many hits each has its share of "
        f"{MOST_TEXT:,}.",
    )
    explain: bool = Field(
        default=True, description="Say where entities stand in the hits, and titles on the way."
    )


class SearchRequest(_SearchOptions):
    """A question."""

    question: Question


class SearchBatchRequest(_SearchOptions):
    """Several questions with the same options."""

    questions: Annotated[list[Question], Field(min_length=1, max_length=MOST_BATCH)]


class PathStep(Result):
    """One step of a hop path; with `explain` a passage, whose id `text` is, has its title too."""

    kind: HopKind
    text: str
    score: float
    contribution: float
    title: str | None = None


class Mention(Result):
    """An entity in the text of a hit; `start` and `end` count Unicode code points."""

    start: int
    end: int
    entity: str


class Place(Result):
    """A place of a text, `[start, end)` in Unicode code points."""

    start: int
    end: int


class Cut(Place):
    """Which piece of a passage `text` is, where it is not the whole."""

    characters: int = Field(description="Of the whole passage.")


class Neighbor(Result):
    """A chunk beside a hit in its document."""

    id: str
    position: int
    text: str


class PassageHit(Result):
    """A retrieved passage, under the keys of the command line's `--json`."""

    id: str
    title: str
    text: str = Field(description="The passage, or a piece of it around match; see cut.")
    match: Place = Field(description="The sentence of text that is closest to the question.")
    score: float
    method: str
    components: dict[str, float]
    path: list[PathStep]
    metadata: dict[str, Any]
    document: str | None = None
    position: int | None = None
    neighbors: list[Neighbor] | None = Field(
        default=None, description="Chunks around it, as far as they fit characters."
    )
    cut: Cut | None = Field(default=None, description="null: text is the whole passage.")
    copies: list[str] | None = Field(
        default=None, description="Ids of other passages with exactly this text."
    )
    mentions: list[Mention] | None = None


class SearchAnswer(Timed):
    """The hits of a question, best first."""

    hits: list[PassageHit]
    mode: Mode


class SearchItem(Result):
    """The hits of one question of a batch."""

    hits: list[PassageHit]


class SearchBatchAnswer(Timed):
    """The hits of each question, in their order."""

    results: list[SearchItem]
    mode: Mode


# --- communities ---------------------------------------------------------------------------------


class CommunityRequest(Request):
    """Whose community is wanted."""

    seeds: Seeds
    top_k: Members | None = Field(default=50, description="null: a sweep cut chooses.")
    method: Method = "fused"
    plan: Plan = "auto"


class CommunityBatchRequest(Request):
    """Several queries."""

    queries: Annotated[list[CommunityRequest], Field(min_length=1, max_length=MOST_BATCH)]


class SharedNeighbors(Result):
    """What a member shares with one seed; `shared_neighbors` is null where counting cost more."""

    seed: ShownVertex
    shared_neighbors: int | None
    examples: list[ShownVertex]
    adjacent: bool


class CommunityMember(Result):
    """A vertex of a community."""

    id: ShownVertex
    score: float
    scores: dict[str, float]
    reason: list[SharedNeighbors]


class CommunityItem(Result):
    """Members, best first, without the seeds."""

    seeds: list[ShownVertex]
    members: list[CommunityMember]
    method: Method
    plan: str
    notes: list[str]
    conductance: float | None


class CommunityAnswer(CommunityItem, Timed):
    """A community, and what it took."""


class CommunityBatchAnswer(Timed):
    """The community of each query, in their order."""

    results: list[CommunityItem]


class StructureVertex(Result):
    """A vertex of the picture; `score` is null for a seed, `x` and `y` lie within [-1, 1]."""

    id: ShownVertex
    score: float | None
    community: int
    seed: bool
    x: float
    y: float


class StructureEdge(Result):
    """Two similar vertices; the weight is their Jaccard similarity."""

    source: ShownVertex
    target: ShownVertex
    weight: float


class SubCommunity(Result):
    """A sub-community; 0 is the largest."""

    id: int
    size: int


class StructureAnswer(Timed):
    """The weighted similarity graph of seeds and members, and its sub-communities."""

    vertices: list[StructureVertex]
    edges: list[StructureEdge]
    communities: list[SubCommunity]
    method: Method
    plan: str


class Listed(Result):
    """A vertex and its number of edges."""

    id: ShownVertex
    degree: int


class VertexList(Result):
    """The vertices whose ids begin with a prefix: the exact one, then by degree."""

    vertices: list[Listed]
    more: bool


class NeighborList(Result):
    """The neighbors of a vertex with most edges."""

    vertex: ShownVertex
    degree: int
    neighbors: list[Listed]
    more: bool


# --- embedding -----------------------------------------------------------------------------------


class NearestRequest(Request):
    """Whose nearest vertices are wanted."""

    vertex: Vertex
    top_k: Hits = 10


class NearestBatchRequest(Request):
    """Several vertices."""

    vertices: Annotated[list[Vertex], Field(min_length=1, max_length=MOST_BATCH)]
    top_k: Hits = 10


class Nearest(Result):
    """A near vertex, with the cosine of the two vectors."""

    id: ShownVertex
    score: float


class NearestItem(Result):
    """The vertices nearest to one."""

    vertex: ShownVertex
    neighbors: list[Nearest]


class NearestAnswer(NearestItem, Timed):
    """The nearest vertices, and what it took."""


class NearestBatchAnswer(Timed):
    """The nearest vertices of each, in their order."""

    results: list[NearestItem]


# --- about the service ---------------------------------------------------------------------------


class PassagesInfo(Result):
    """What the passage index holds."""

    version: str
    counts: dict[str, int]
    modes: list[Mode]
    metadata: dict[str, str] = Field(description="Keys that filters take, and their types.")
    models: dict[str, str]


class CommunitiesInfo(Result):
    """What the community index holds."""

    version: str
    counts: dict[str, int]
    kind: str
    methods: list[Method]


class EmbeddingInfo(Result):
    """What the embedding holds."""

    version: str
    counts: dict[str, int]
    kind: str
    dimension: int


class LimitsInfo(Result):
    """What one request may ask for."""

    question_characters: int = LONGEST_QUESTION
    hits: int = MOST_HITS
    hit_characters: int = MOST_CHARACTERS
    text_characters: int = MOST_TEXT
    members: int = MOST_MEMBERS
    seeds: int = MOST_SEEDS
    batch: int = MOST_BATCH
    body_bytes: int
    answer_seconds: float


class Info(Result):
    """What this service has; null for what it was not given."""

    version: str
    limits: LimitsInfo
    passages: PassagesInfo | None
    communities: CommunitiesInfo | None
    embedding: EmbeddingInfo | None


class Health(Result):
    """Whether the process lives."""

    status: Literal["ok", "stopping"]


class Ready(Result):
    """Whether questions are answered without waiting for a model."""

    status: Literal["ready", "loading", "stopping"]
    problems: dict[str, str] = Field(
        description="By kind of index, the error of opening what is published now; an older "
        "version is served meanwhile."
    )


class SlowQuery(Result):
    """A request that took long."""

    time: float = Field(description="Of its end, in seconds since 1970.")
    request_id: str
    route: str
    status: int
    milliseconds: float
    stages: dict[str, float] = Field(description="Milliseconds by stage.")
    details: dict[str, str] = Field(description="The question, the mode.")


class SlowAnswer(Result):
    """The slowest requests of the last hour, slowest first."""

    requests: list[SlowQuery]


# --- tools of the MCP server ---------------------------------------------------------------------


class ExplainAnswer(Result):
    """Why a passage is, or is not, among the first for a question; `rank` is null beyond `k`."""

    passage_id: str
    question: str
    mode: Mode
    rank: int | None
    k: int
    reason: str
    threshold: float | None = Field(description="Score of the last of the first k hits.")
    hit: PassageHit | None
