"""Everything that can be wrong with an import, and what follows from it.

PenstockError
├── Rejected                 can never succeed as sent: answered, never retried
│   ├── InvalidRequest       400  a parameter or value is missing or wrong
│   ├── Unauthenticated      401  no token
│   ├── Forbidden            403  token unknown, or without the right or database
│   ├── NotFound             404  database, resource, segment or profile
│   ├── AmbiguousMatch       409  more than one profile matches
│   ├── ValueTaken           409  another profile holds a unique value
│   ├── NameTaken            409  another request has the idempotency key
│   ├── AlreadyUndone        409  the import was undone before
│   ├── Gone                 410  what is to be undone is no longer known
│   ├── TooSoon              429  a person was asked not long ago
│   ├── BodyTooSlow          408
│   ├── BodyTooLarge         413
│   ├── UnsupportedMediaType 415
│   └── HeadTooLong          431
├── Overloaded               429  too much work is waiting: retry later
│   └── RateExceeded         429  the token asks more than its rate
├── Unavailable              503  the queue cannot be reached: retry later
└── InvalidValue                  one value is wrong; its caller knows the path

The codes are contract section 14, point 2.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from msgspec import Struct


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing wrong with an import."""

    #: The contract's error code, such as 400.
    code: int
    #: A short sentence without the path: ``Incorrect phone``.
    message: str
    #: Where: ``data.subscriptions[1].phone``; empty for the whole request.
    path: str = ""

    @property
    def text(self) -> str:
        """The sentence a caller reads: ``Incorrect phone: data.phones[0]``."""
        return f"{self.message}: {self.path}" if self.path else self.message


class PenstockError(Exception):
    """Something Penstock says rather than a library."""

    code: ClassVar[int] = 500


class Rejected(PenstockError):
    """The import can never succeed as sent; `faults` holds every reason."""

    code: ClassVar[int] = 400

    def __init__(self, faults: str | Sequence[Fault], path: str = "") -> None:
        if isinstance(faults, str):
            faults = (Fault(code=self.code, message=faults, path=path),)
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(self.faults[0].text)


class InvalidRequest(Rejected):
    """A parameter or value is missing or wrong."""


class Unauthenticated(Rejected):
    """No token was sent."""

    code = 401


class Forbidden(Rejected):
    """The token is unknown, or lacks the right or the database."""

    code = 403


class NotFound(Rejected):
    """A database, resource, segment or profile does not exist."""

    code = 404


class AmbiguousMatch(Rejected):
    """More than one profile matches."""

    code = 409
    #: The keys that led to each, by profile id.
    held: Mapping[str, Sequence[Any]] = MappingProxyType({})
    #: What spoke against merging them, if that was asked for.
    obstacle: str = ""


class ValueTaken(Rejected):
    """Another profile holds a value that must be unique."""

    code = 409
    #: The keys that each holds, by profile id.
    held: Mapping[str, Sequence[Any]] = MappingProxyType({})


class Conflict(Rejected):
    """A held import that an operator, or the time, has decided against."""

    code = 409


class NameTaken(Rejected):
    """Another request has been sent under the same idempotency key or feedback_id."""

    code = 409


class AlreadyUndone(Rejected):
    """The import was undone before."""

    code = 409


class MergedSince(Rejected):
    """The profile was merged since: that is to be undone first."""

    code = 409


class Gone(Rejected):
    """The import to undo is no longer known."""

    code = 410


class TooSoon(Rejected):
    """A person was asked not long ago, or often enough."""

    code = 429

    def __init__(self, earliest: datetime) -> None:
        #: When it may be asked for again.
        self.earliest = earliest
        text = earliest.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        super().__init__(f"Confirmation was requested already (again from {text})")


class BodyTooSlow(Rejected):
    """The body did not come in the time that it may take."""

    code = 408


class BodyTooLarge(Rejected):
    """The body is longer than the limit."""

    code = 413


class UnsupportedMediaType(Rejected):
    """The body must be JSON or XML."""

    code = 415


class HeadTooLong(Rejected):
    """The path and headers of the request are longer than the limit."""

    code = 431


class Overloaded(PenstockError):
    """Too much work is waiting; retry after a while."""

    code = 429


class RateExceeded(Overloaded):
    """The token asked more than its rate allows; nothing was taken from it."""

    def __init__(self, message: str, *, retry_seconds: int) -> None:
        super().__init__(message)
        #: Seconds after which the same request would be let in.
        self.retry_seconds = retry_seconds


class Unavailable(PenstockError):
    """The queue is unavailable; retry after a while."""

    code = 503


class PartitionsDiffer(PenstockError):
    """This process has another number of partitions than the deployment."""

    def __init__(self, *, ours: int, known: int) -> None:
        super().__init__(
            f"PENSTOCK_PARTITIONS is {ours} here, but this deployment has {known} "
            f"partitions. Set PENSTOCK_PARTITIONS={known}; or, to change the "
            "deployment, stop intakes, consumers and workers, and run: penstock "
            f"partitions set {ours}"
        )


class InvalidValue(PenstockError, ValueError):
    """One value is wrong; the message is a short sentence without a path."""

    code = 400
