"""`PassageParts`: query several indices, each of one part of a corpus, as one index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from graphagg.errors import IndexClosed, InvalidParameter
from graphagg.rag.documents.passages import Passage
from graphagg.rag.index import PassageIndex
from graphagg.rag.models.by_name import IndexModels
from graphagg.rag.operations.retrieval import Retrieval
from graphagg.rag.parts.client import PartAddress, place_of
from graphagg.rag.parts.remote import RemotePart
from graphagg.rag.parts.snapshot import JoinedSnapshot
from graphagg.store.manifest import Manifest
from graphagg.store.reading import Closing

if TYPE_CHECKING:
    from graphagg.rag.models.encoder import Encoder
    from graphagg.rag.models.extractor import EntityExtractor


class PassageParts(Closing, Retrieval):
    """Several indices, each of one part of a corpus, that answer as their merged index would.

    Ids, order, paths, scores and confidence are equal, with filters and after changes too; above
    20,000 passages each part adds its own closest passages to the candidates. Nothing is written.
    Opening finds the names of each part in the texts of the others, and keeps the positions of all
    names in memory. Use `PassageIndex` to change a part; `reopen` then opens the newest versions.
    Mode `linearrag` needs a single index.

    Args:
        parts: open indices; `close` closes them too.

    Raises:
        InvalidParameter, ModelMismatch: a part has other parameters or models than the first.
        DuplicateId: a passage is in two parts.

    Examples:
        >>> import tempfile
        >>> folders = [tempfile.mkdtemp(), tempfile.mkdtemp()]
        >>> for folder, text in zip(folders, ["Ada was born in London.", "London is large."]):
        ...     PassageIndex.build([{"id": text, "text": text}], folder, profile="fast").close()
        >>> with PassageParts.open(folders) as parts:
        ...     [hit.passage.id for hit in parts.retrieve("Where was Ada born?", k=2)]
        ['Ada was born in London.', 'London is large.']
        >>> len(parts)
        Traceback (most recent call last):
        ...
        graphagg.errors.IndexClosed: the parts were closed; open them again
    """

    def __init__(self, parts: Sequence[PassageIndex | RemotePart]) -> None:
        self.parts, self._is_closed = list(parts), False
        self._joined = JoinedSnapshot([part.snapshot for part in parts])

    @classmethod
    def open(
        cls,
        directories: Iterable[str | os.PathLike[str]],
        *,
        encoder: Encoder | str | None = None,
        extractor: EntityExtractor | str | None = None,
    ) -> Self:
        """Open the indices of all parts; arguments are those of `PassageIndex.open`.

        A directory may be the address of a process that serves the part, such as
        `http://host:8321`; the environment variable `GRAPHAGG_PARTS_TOKEN` holds its token.

        Raises:
            GraphAggError: the errors of `PassageIndex.open` and of `PassageParts`.
            PartUnavailable: no server responds at an address.
        """
        with ExitStack() as opened:  # closes the open parts if an error occurs
            parts = [_open_part(each, encoder, extractor, opened) for each in directories]
            joined = cls(parts)
            opened.pop_all()
        return joined

    @property
    def snapshot(self) -> JoinedSnapshot:
        """The opened version of all parts; raises `IndexClosed`."""
        if self._is_closed:
            raise IndexClosed("the parts were closed; open them again")
        return self._joined

    _version = snapshot

    @property
    def manifest(self) -> Manifest:
        """The manifest of the first part, with the sizes and the version of all parts together."""
        return self._joined.artifact.manifest

    def reopen(self) -> None:
        """Switch to the newest version of each part; running questions finish on the old one."""
        for part in self.parts:
            part.reopen()
        before = [part.snapshot.artifact.folder for part in self._joined.parts]
        if before != [part.artifact.folder for part in self.parts]:
            self._joined = JoinedSnapshot([part.snapshot for part in self.parts])

    def close(self) -> None:
        """Close all parts."""
        self._is_closed = True
        for part in self.parts:
            part.close()

    def __len__(self) -> int:
        return len(self._version)

    def __contains__(self, identifier: str) -> bool:
        return self._version.row_of(identifier) is not None

    def __getitem__(self, identifier: str) -> Passage:
        """The passage with an id; raises `UnknownPassage`."""
        return self._version.corpus[self._version.known_row(identifier)]


def _open_part(
    directory: str | os.PathLike[str],
    encoder: Encoder | str | None,
    extractor: EntityExtractor | str | None,
    opened: ExitStack,
) -> PassageIndex | RemotePart:
    address = place_of(directory)
    if not isinstance(address, PartAddress):
        index = PassageIndex.open(directory, encoder=encoder, extractor=extractor)
        return opened.enter_context(index)
    if isinstance(encoder, str) or isinstance(extractor, str):
        raise InvalidParameter("`encoder` and `extractor` of a served part must be objects or None")
    part = RemotePart(address, lambda artifact: IndexModels(artifact, encoder, extractor))
    return opened.enter_context(part)
