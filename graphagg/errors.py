"""Every error that graphagg raises on purpose.

Each message states what was found, what was expected, and what to do. The command line exits with
`exit_code`: 2 for input that must change, 1 for a run that failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from graphagg.extras import brings, install_line, is_of_python


class GraphAggError(Exception):
    """Base of all errors raised by graphagg."""

    exit_code = 2


class RunFailed(GraphAggError):
    """Base of the errors about runs that failed although their input was valid."""

    exit_code = 1


class RemovedName(GraphAggError, ImportError):
    """A public name of an earlier version was removed."""


class MissingExtra(GraphAggError):
    """An optional dependency is not installed.

    `extra` is the extra of graphagg that provides the package or module, or None if no extra does.
    `instead` describes an alternative to installing it.
    """

    def __init__(self, package: str, extra: str | None, instead: str = "") -> None:
        self.package, self.extra = package, extra
        super().__init__(
            f"this needs the package {package!r}, which is not installed; "
            f"run: {install_line(package, extra)}{instead and f', {instead}'}"
        )

    @classmethod
    def of(cls, error: ImportError, extra: str) -> MissingExtra | ImportError:
        """Return the error to raise for a failed import.

        Returns a `MissingExtra` if the extra provides the package, else the original error: a
        standard library module is missing, a file of graphagg is missing, or a package is broken.
        """
        module = (error.name or "").partition(".")[0]
        absent = isinstance(error, ModuleNotFoundError) and module not in ("", "graphagg")
        if absent and not is_of_python(module) and brings(extra, module):
            return cls(module, extra)
        return error


@contextmanager
def needs(package: str, extra: str | None, instead: str = "") -> Iterator[None]:
    """Context manager for imports; raises `MissingExtra` if an import fails."""
    try:
        yield
    except ImportError:
        raise MissingExtra(package, extra, instead) from None


class InvalidParameter(GraphAggError):
    """A parameter lies outside the allowed values."""


class UnreadableFile(GraphAggError):
    """An input file is missing, damaged or in an unknown format."""


class EmptyCorpus(GraphAggError):
    """A corpus has no passages."""


class InvalidPassage(GraphAggError):
    """A passage lacks a field or has one of the wrong type."""


class DuplicateId(GraphAggError):
    """Two passages share one id."""


class UnknownPassage(GraphAggError):
    """The index has no passage with this id."""


class UnknownTheme(GraphAggError):
    """The map has no theme with this id."""


class UnknownEntity(GraphAggError):
    """No visible passage names this entity."""


class InvalidQuestion(GraphAggError):
    """A question is empty, too long or of the wrong type."""


class InvalidVectors(RunFailed):
    """An encoder did not return one finite vector per text."""


class ArtifactError(GraphAggError):
    """Base of the errors about an index directory."""


class NotAnArtifact(ArtifactError):
    """The path has no graphagg index, or an index of another kind."""


class IndexClosed(ArtifactError):
    """An index was queried or changed after `close`."""


class UnsupportedFormat(ArtifactError):
    """The index was written in a format that this version does not read."""


class CorruptArtifact(ArtifactError):
    """A file of the index is missing or does not match the manifest."""


class ArtifactBusy(ArtifactError, RunFailed):
    """Another process is writing this index."""


class ModelMismatch(ArtifactError):
    """A model differs from the model that the index was built with."""


class MissingModel(ArtifactError):
    """A model that an index was built with is not on this machine."""


class InvalidGraph(GraphAggError):
    """The edges are invalid: a bad line, ids of mixed types, or a negative id."""


class EmptyGraph(GraphAggError):
    """The graph has no edges."""


class UnknownVertex(GraphAggError):
    """A vertex is not in the graph."""


class InvalidSeeds(GraphAggError):
    """The seeds of a query are missing or cannot be used."""


class InvalidCommunities(GraphAggError):
    """Ground-truth communities cannot be read, or contain no vertex of the graph."""


class WriteFailed(ArtifactError, RunFailed):
    """The index could not be written, for instance because the disk is full."""


class StoreError(ArtifactError, RunFailed):
    """Base of the errors about object stores and connections to them."""


class StoreUnreachable(StoreError):
    """A store does not answer, or its connections fail repeatedly."""


class NoCredentials(StoreError):
    """A store requires credentials, and none were found."""

    exit_code = 2


class AccessRefused(StoreError):
    """The credentials do not permit this operation on the store."""

    exit_code = 2


class NoSuchBucket(StoreError):
    """A store has no bucket, container or host with this name."""

    exit_code = 2


class ClockOff(StoreError):
    """A store refuses requests because this machine's clock is wrong."""


class NotWritable(StoreError):
    """A store is read-only, or does not support the conditional puts that publishing needs."""

    exit_code = 2


class InvalidFilter(GraphAggError):
    """A filter contains an unknown key or has the wrong type."""


class PieceTooLarge(GraphAggError):
    """A piece of a partitioned graph is larger than the limit."""


class ParametersDiffer(ArtifactError):
    """An unfinished job was restarted with different parameters."""


class JobFailed(ArtifactError, RunFailed):
    """A Spark job failed: a task failed too often, or an executor or the driver was lost."""


class InvalidBatch(GraphAggError):
    """`index`, `ptr` or `batch` is invalid: rows cannot be assigned to segments."""


class InvalidFeatures(GraphAggError):
    """Features or labels have the wrong width or type, or contain NaN or infinity."""


class NotFinite(InvalidFeatures):
    """Features contain NaN or infinity."""


class InvalidDataset(GraphAggError):
    """Training data is missing, of an unknown kind, or lacks what the task needs."""


class UnknownPreset(GraphAggError):
    """There is no preset with this name."""


class CheckpointMismatch(GraphAggError):
    """A checkpoint or saved model was made with a different configuration."""


class DeviceUnavailable(GraphAggError):
    """The requested device is not available."""


class DeviceOutOfMemory(RunFailed):
    """A batch is too large for the device's memory."""


class InsecureBinding(GraphAggError):
    """A service would listen on an address other than loopback without a token."""


class InvalidToken(GraphAggError):
    """The token file of a service is missing or contains no valid token."""


class Forbidden(GraphAggError):
    """The token of a request does not permit the request."""


class CollectionExists(GraphAggError):
    """A collection with this name already exists."""


class NoSuchIndex(GraphAggError):
    """A request is for a kind of index that the service does not have."""


class CollectionEmpty(NoSuchIndex):
    """The queried collection has neither passages nor edges."""


class Overloaded(RunFailed):
    """A service has reached its limit of requests; try again later."""


class PortTaken(RunFailed):
    """A service cannot bind its address."""


class PartUnavailable(RunFailed):
    """A part of a corpus does not answer; `part` is its address.

    `is_lost`: the part answers, but it was restarted and no longer has the version that was opened.
    """

    def __init__(self, part: str, problem: str, is_lost: bool = False) -> None:
        super().__init__(f"{part}: {problem}; check that the part is served there")
        self.part, self.is_lost = part, is_lost


class RunExists(GraphAggError):
    """The output folder already contains a training run."""


class RunBusy(RunFailed):
    """Another process trains in this folder."""


class TrainingDiverged(RunFailed):
    """The loss is no longer finite."""


class TrainingInterrupted(GraphAggError):
    """Training was stopped by Ctrl-C; it can resume from its last checkpoint."""

    exit_code = 130
