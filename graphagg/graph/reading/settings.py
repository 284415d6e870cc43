"""Options of reading edges, in Python and on the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypedDict

from graphagg.checks import one_of, with_values
from graphagg.errors import InvalidParameter
from graphagg.graph.kinds import ID_TYPES, GraphKind, IdType

_PANEL = {"panel": "How edges are read"}
_DELIMITERS = {"tab": "\t", "\\t": "\t", "space": " "}


@dataclass(frozen=True)
class EdgeReading:
    """Options of reading edges.

    Columns are named as the header of the text or the table names them; a number counts columns
    from 1 where no column is called so.

    Attributes:
        ids: type of ids in text: recognized (`auto`), `integer` or `string`.
        header: whether the first line of text is a header; `--header` with names that are not
            known takes the first two columns. None: recognized.
        source: column of the sources. None: a known name, else the first column.
        target: column of the targets. None: a known name, else the second column.
        element: two-mode: column of the elements, another word for `source`.
        set: two-mode: column of the sets, another word for `target`.
        delimiter: separator of the columns of text: a character, or tab or space. None:
            recognized.
        skip_bad_rows: leave out rows that cannot be read, count them and name the first.

    Examples:
        >>> EdgeReading(source="from_user", delimiter="space").given()
        {'source': 'from_user', 'delimiter': ' '}
    """

    ids: IdType = field(default="auto", metadata=_PANEL)
    header: bool | None = field(default=None, metadata=_PANEL | {"flags": "--header/--no-header"})
    source: str | None = field(default=None, metadata=_PANEL)
    target: str | None = field(default=None, metadata=_PANEL)
    element: str | None = field(default=None, metadata=_PANEL)
    set: str | None = field(default=None, metadata=_PANEL)
    delimiter: str | None = field(default=None, metadata=_PANEL)
    skip_bad_rows: bool = field(default=False, metadata=_PANEL | {"flags": "--skip-bad-rows"})

    def __post_init__(self) -> None:
        one_of("ids", self.ids, ID_TYPES)
        for end, role in (("source", "element"), ("target", "set")):
            if getattr(self, end) is not None and getattr(self, role) is not None:
                raise InvalidParameter(
                    f"{end} is {getattr(self, end)!r} and {role} is {getattr(self, role)!r}, which "
                    "name the same column; give one of them"
                )
        if self.delimiter is not None:
            mark = _DELIMITERS.get(self.delimiter, self.delimiter)
            if len(mark) != 1 or not mark.isascii() or mark in '\n\r"':
                raise InvalidParameter(
                    f"delimiter is {self.delimiter!r}, wanted one ASCII character that is no "
                    "quote, or tab or space"
                )
            object.__setattr__(self, "delimiter", mark)

    def check_kind(self, kind: GraphKind) -> None:
        """Raise `InvalidParameter` where elements or sets are named and the graph has none."""
        for role in ("element", "set"):
            if getattr(self, role) is not None and kind != "two-mode":
                raise InvalidParameter(
                    f"{role} is {getattr(self, role)!r}, but the graph is {kind}; take the kind "
                    f"two-mode, or name {'source' if role == 'element' else 'target'}"
                )

    @property
    def ends(self) -> tuple[str | None, str | None]:
        """The columns asked for: of sources or elements, and of targets or sets."""
        return self.source or self.element, self.target or self.set

    @property
    def weight_column(self) -> str | None:
        """The column of weights that was asked for."""
        return None

    @property
    def wants_weights(self) -> bool:
        """Whether weights are read where there are any."""
        return False

    @property
    def needs_weights(self) -> bool:
        """Whether each edge must have a weight above 0."""
        return False

    def given(self) -> dict[str, Any]:
        """The fields that differ from their defaults, which identify a reading."""
        default = type(self)()
        return {name: value for name, value in vars(self).items() if value != vars(default)[name]}


@dataclass(frozen=True)
class WeightedReading(EdgeReading):
    """Options of reading edges with weights.

    Attributes:
        weight: column of the weights. None: a known name; without a header the third column.
        weighted: use the weights where edges carry any.

    Examples:
        >>> WeightedReading(weight="calls").weight_column
        'calls'
    """

    weight: str | None = field(default=None, metadata=_PANEL)
    weighted: bool = field(default=True, metadata=_PANEL | {"flags": "--weighted/--unweighted"})

    @property
    def weight_column(self) -> str | None:
        """The column of weights that was asked for."""
        return self.weight

    @property
    def wants_weights(self) -> bool:
        """Whether weights are read where there are any."""
        return self.weighted


@dataclass(frozen=True)
class NeededWeights(EdgeReading):
    """Options of reading edges each of which must have a weight above 0.

    Weights are rounded to 32 bits, so that sums of them in 64 bits are exact, and equal in whatever
    order they are added up.

    Attributes:
        weight: column of the weights, where weights are kept. None: a known name; without a header
            the third column.

    Examples:
        >>> NeededWeights(weight="calls").needs_weights
        True
    """

    weight: str | None = field(default=None, metadata=_PANEL)

    @property
    def weight_column(self) -> str | None:
        """The column of weights that was asked for."""
        return self.weight

    @property
    def wants_weights(self) -> bool:
        """Whether weights are read where there are any."""
        return True

    @property
    def needs_weights(self) -> bool:
        """Whether each edge must have a weight above 0."""
        return True


def indexed_reading(weights: bool, options: Mapping[str, Any]) -> EdgeReading:
    """Options of reading edges for an index with weights or without.

    Without weights, a column of weights raises `InvalidParameter`.
    """
    if weights:
        return with_values(NeededWeights(), options)
    plain = dict(options)
    column = plain.pop("weight", None)
    if column is not None:
        raise InvalidParameter(
            f"weight is {column!r}, but weights are not kept here, wanted no column of weights; "
            "leave it out, or build the index with `weights=True`"
        )
    return with_values(EdgeReading(), plain)


class ReadingOptions(TypedDict, total=False):
    """The fields of `EdgeReading`, as keyword arguments."""

    ids: IdType
    header: bool | None
    source: str | None
    target: str | None
    element: str | None
    set: str | None
    delimiter: str | None
    skip_bad_rows: bool


class IndexedReadingOptions(ReadingOptions, total=False):
    """The fields of `NeededWeights`, as keyword arguments."""

    weight: str | None


class WeightedReadingOptions(IndexedReadingOptions, total=False):
    """The fields of `WeightedReading`, as keyword arguments."""

    weighted: bool
