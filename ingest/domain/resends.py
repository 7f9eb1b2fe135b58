"""Deliveries that are sent once more: which of them (T8)."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Resendable(StrEnum):
    """The deliveries that are resent: pending ones are sent anyway.

    Those that were skipped are resent only if somebody says so.
    """

    FAILED = "failed"
    DELIVERED = "delivered"
    SKIPPED = "skipped"
    #: Those that failed, or were delivered.
    ALL = "all"

    @property
    def states(self) -> list[str]:
        """The states of these deliveries."""
        if self is Resendable.ALL:
            return [Resendable.FAILED.value, Resendable.DELIVERED.value]
        return [self.value]


class Resend(Struct, frozen=True, kw_only=True):
    """Deliveries of events of a time range to one endpoint."""

    endpoint_id: int
    #: Events from `since`, and before `until`.
    since: datetime
    until: datetime
    state: Resendable = Resendable.FAILED
    #: Only events of these databases; None for all.
    databases: Sequence[int] | None = None
