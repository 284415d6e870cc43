"""Maps exceptions of store clients to graphagg's errors, and retries transient failures.

obstore has classes for refusals, missing objects and failed conditions; everything else is in the
text. fsspec clients raise system errors.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

from graphagg import errors
from graphagg.store.addresses import Address

T = TypeVar("T")

_ATTEMPTS = 6
_FIRST_WAIT = 0.1  # seconds; each further one is twice as long, of which chance takes up to half
_CLOCK = ("RequestTimeTooSkewed", "RequestExpired")
_BUCKET = ("NoSuchBucket", "ContainerNotFound", "InvalidBucketName", "bucket does not exist")
_NO_KEY = ("169.254.169.254", "Missing access key", "MissingAccessKeyId", "no credentials")
_NO_USER = ("XAdminUserNotFound", "InvalidAccessKeyId", "SignatureDoesNotMatch")
_REFUSALS = {"PermissionDeniedError", "UnauthenticatedError", "PermissionError"}
_LOST = re.compile(
    r"error sending request|error decoding|response (error|body)|connection|timed? ?out"
    r"|(?:status|code|error)[^0-9]{0,12}(?:408|409|425|429|5[0-9][0-9])",
    re.IGNORECASE,
)


def attempt(address: Address, call: Callable[[], T]) -> T:
    """Call a store; retry transient failures, and raise a `StoreError` that names the address."""
    for tries in range(1, _ATTEMPTS + 1):
        try:
            return call()
        except errors.GraphAggError:
            raise
        except Exception as error:
            translated = named_error(address, error)
            if not isinstance(translated, errors.StoreUnreachable) or tries == _ATTEMPTS:
                raise translated from error
        time.sleep(_FIRST_WAIT * 2 ** (tries - 1) * (1 - random.random() / 2))
    raise AssertionError("the last attempt returns or raises")


def named_error(address: Address, error: Exception) -> Exception:
    """The graphagg error for a client's exception; `StoreUnreachable` is transient."""
    text = str(error).partition("Debug source:")[0]
    cause = text.partition("\n")[0].strip() or type(error).__name__
    if any(code in text for code in _CLOCK):
        return errors.ClockOff(
            f"{address}: the store reports that this machine's clock is wrong; set it ({cause})"
        )
    if any(code in text for code in _NO_KEY):
        return errors.NoCredentials(
            f"{address}: no credentials were found ({cause}); set the environment variables "
            "of the store (for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or pass them as "
            "options"
        )
    if any(code in text for code in _BUCKET):
        return errors.NoSuchBucket(
            f"{address}: no bucket {address.host!r}; check the name ({cause})"
        )
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & _REFUSALS or any(code in text for code in _NO_USER):
        return errors.AccessRefused(
            f"{address}: the store refuses ({cause}); check the credentials and their rights"
        )
    if isinstance(error, FileNotFoundError):
        return error
    if isinstance(error, ConnectionError | TimeoutError | EOFError) or _LOST.search(text):
        return errors.StoreUnreachable(
            f"{address}: the store did not answer correctly, {_ATTEMPTS} times in a row ({cause}); "
            "check the address and the network, and run it again: finished transfers are not "
            "repeated"
        )
    return errors.StoreError(f"{address}: the store failed ({type(error).__name__}: {cause})")
