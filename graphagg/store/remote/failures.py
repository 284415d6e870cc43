"""Errors of graphagg for the exceptions of a store's client, and retries of failures that may pass.

Each library has its own exceptions. They are recognized by their attributes (a code in `response`,
a `status`) and by their names, so that no library is loaded to name an error of another.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from graphagg.errors import (
    AccessRefused,
    ClockOff,
    CorruptArtifact,
    GraphAggError,
    NoCredentials,
    NoSuchBucket,
    StoreError,
    StoreUnreachable,
)
from graphagg.store.addresses import Address

T = TypeVar("T")

_ATTEMPTS = 6
_FIRST_WAIT = 0.1  # seconds; each further one is twice as long, of which chance takes up to half
_CLOCK = {"RequestTimeTooSkewed", "RequestExpired"}
_BUCKET = {"NoSuchBucket", "ContainerNotFound", "InvalidBucketName"}
_REFUSED = {
    "AccessDenied", "AllAccessDisabled", "ExpiredToken", "Forbidden", "InvalidAccessKeyId",
    "InvalidToken", "SignatureDoesNotMatch", "Unauthorized", "XAdminUserNotFound",
}  # fmt: skip
_MISSING = {"404", "BlobNotFound", "NoSuchKey", "NotFound", "PathNotFound", "ResourceNotFound"}
_NO_KEY = {"NoCredentialsError", "PartialCredentialsError", "DefaultCredentialsError"}
_PASSING = {
    "InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown", "Throttling",
    "ConditionalRequestConflict", "OperationAborted",
}  # fmt: skip
_DAMAGED = {"FlexibleChecksumError"}
_LOST = (ConnectionError, TimeoutError, EOFError)
_LOST_NAMES = {
    "ClientConnectionError", "ClientError", "ClientPayloadError", "ContentLengthError",
    "FSTimeoutError", "HTTPClientError", "HttpError", "IncompleteRead", "IncompleteReadError",
    "RequestException", "ResponseParserError", "ServiceRequestError", "ServiceResponseError",
}  # fmt: skip


_AGAIN = (StoreUnreachable, CorruptArtifact)


class Passing(Exception):
    """A failure that may not come again; raised by callers of `attempt` as well."""


def attempt(address: Address, call: Callable[[], T]) -> T:
    """Call a store; a failure that may pass is tried again, six times in all.

    Args:
        address: named in errors.
        call: may run more than once.

    Raises:
        StoreError: one of its kinds; `FileNotFoundError`, `FileExistsError`: as the call.
    """
    for tries in range(1, _ATTEMPTS + 1):
        try:
            return call()
        except (GraphAggError, FileExistsError):
            raise
        except Exception as error:
            named = named_error(address, error)
            if not isinstance(named, _AGAIN) or tries == _ATTEMPTS:
                if isinstance(named, GraphAggError):
                    raise named from error
                raise named from None
        time.sleep(_FIRST_WAIT * 2 ** (tries - 1) * (1 - random.random() / 2))
    raise AssertionError("the last attempt returns or raises")


def named_error(address: Address, error: BaseException) -> Exception:
    """Choose the error of graphagg for an exception of a client.

    `FileNotFoundError` stays for an object that is not there; `StoreUnreachable` may pass.
    """
    codes = {code for link in _chain(error) for code in _codes(link)}
    names = {name for link in _chain(error) for name in _names(link)}
    said = str(error).strip() or type(error).__name__
    where = f"{address}: "
    if codes & _CLOCK:
        return ClockOff(f"{where}the store says that this machine's clock is off; set it ({said})")
    if names & _NO_KEY or "Unable to locate credentials" in said:
        return NoCredentials(
            f"{where}no credentials were found ({said}); give them as the store's own tools take "
            "them (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile), or as options"
        )
    if codes & _BUCKET or "bucket does not exist" in said.lower():
        return NoSuchBucket(f"{where}no bucket {address.host!r}; check the name ({said})")
    if codes & (_REFUSED | {401, 403}) or isinstance(error, PermissionError):
        return AccessRefused(
            f"{where}the store refuses ({said}); check the credentials and what they may do"
        )
    words = {code for code in codes if isinstance(code, str)}
    if codes & _MISSING or (404 in codes and not words) or isinstance(error, FileNotFoundError):
        return FileNotFoundError(said)
    if names & _DAMAGED:
        return CorruptArtifact(
            f"{where}the bytes that come are not those that the store says it holds ({said}); "
            "publish the index again"
        )
    if _may_pass(error, codes, names):
        return StoreUnreachable(
            f"{where}the store does not answer as it should, {_ATTEMPTS} times in a row ({said}); "
            "check the address and the network, and run it again: it goes on from what was done"
        )
    return StoreError(f"{where}the store failed ({type(error).__name__}: {said})")


def is_precondition(error: BaseException) -> bool:
    """Whether a store refused a conditional put because its condition did not hold."""
    codes = {code for link in _chain(error) for code in _codes(link)}
    return bool(codes & {"PreconditionFailed", 412}) or isinstance(error, FileExistsError)


def _may_pass(error: BaseException, codes: set[Any], names: set[str]) -> bool:
    statuses = {code for code in codes if isinstance(code, int)}
    if any(status >= 500 or status in (408, 409, 425, 429) for status in statuses):
        return True
    if codes & _PASSING or isinstance(error, Passing):
        return True
    lost = any(isinstance(link, _LOST) for link in _chain(error)) or names & _LOST_NAMES
    return bool(lost) and not any(400 <= status < 500 for status in statuses)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _codes(error: BaseException) -> Iterator[Any]:
    """Codes and HTTP statuses that an exception carries."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        yield response.get("Error", {}).get("Code")
        yield response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    for name in ("status", "status_code", "code", "error_code"):
        value = getattr(error, name, None)
        if isinstance(value, (int, str)):
            yield value
    yield getattr(response, "status_code", None)
