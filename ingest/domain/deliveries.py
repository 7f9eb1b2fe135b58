"""Schedules of retries, and pauses of endpoints."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ingest.domain.intervals import parse_duration, to_timedelta

_MINUTE = 60.0
_HOUR = 60 * _MINUTE

#: Seconds to wait after each failed attempt: the example schedule of the Standard
#: Webhooks specification, whose first attempt is made at once.
SCHEDULE = (
    5.0,
    5 * _MINUTE,
    30 * _MINUTE,
    2 * _HOUR,
    5 * _HOUR,
    10 * _HOUR,
    14 * _HOUR,
    20 * _HOUR,
    24 * _HOUR,
)
#: The share of a wait by which jitter may lengthen it.
_JITTER = 0.2

#: Requests under way at once, per endpoint that does not say.
CONCURRENCY = 16
#: Failures in a row, however many events each met, after which an endpoint counts as
#: down.
BREAKER_FAILURES = 3
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 15 * _MINUTE
#: An endpoint that asks for more is asked again after this.
_LONGEST_RETRY_AFTER = _HOUR


class DisabledReason(StrEnum):
    """Reasons for which an endpoint is disabled."""

    #: It answered 410.
    GONE = "gone"
    #: Every attempt failed for as long as it says (T7).
    FAILING = "failing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The outcome of one attempt to deliver an event."""

    #: None where there was no HTTP answer.
    status: int | None = None
    #: A short sentence; empty on success.
    error: str = ""
    #: The endpoint asked to be left alone for this many seconds.
    retry_after: float | None = None
    #: The fault is the endpoint's as a whole, not this event's: it counts as down.
    is_outage: bool = False

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver has taken the event."""
        return not self.error

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more events, ever."""
        return self.status == 410


def retry_delay(attempts: int, jitter: float) -> float | None:
    """Return the seconds to wait after failed attempt number `attempts`.

    None when the schedule is exhausted. `jitter` is a random number in [0, 1), so
    that what failed together is not tried together.
    """
    if attempts > len(SCHEDULE):
        return None
    return SCHEDULE[attempts - 1] * (1 + _JITTER * jitter)


def pause(failures: int, retry_after: float | None, jitter: float) -> float | None:
    """Return the seconds to leave an endpoint alone; None to go on.

    `failures` counts in a row. What the endpoint itself asks for is honoured from the
    first one.
    """
    asked = min(retry_after or 0.0, _LONGEST_RETRY_AFTER)
    doubled = 0.0
    if failures >= BREAKER_FAILURES:
        exponent = min(failures - BREAKER_FAILURES, 10)
        doubled = min(_FIRST_PAUSE * 2.0**exponent, _LONGEST_PAUSE)
        doubled *= 1 + _JITTER * jitter
    return max(asked, doubled) or None


def is_overdue(since: datetime | None, disable_after: str, now: datetime) -> bool:
    """Tell whether every attempt has failed for `disable_after`, such as `5d` (T7)."""
    if since is None or not disable_after:
        return False
    return since + to_timedelta(parse_duration(disable_after)) <= now


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointHealth:
    """Health of an endpoint, from the outcomes of simultaneous attempts.

    A failure is an outage, whatever number of events it meets: those sent before it was
    counted belong to it. While there is one, attempts go round by round, each begun
    when all of the one before have ended: no more fail than it takes to know.
    """

    #: In a row.
    failures: int
    #: The number of the round that an attempt begun now belongs to.
    round: int = 0
    #: The end of the pause that the endpoint asked for.
    asked_until: datetime | None = None
    #: The end of the pause because of failures.
    down_until: datetime | None = None
    #: It wants no more events, ever.
    is_gone: bool = False

    @property
    def paused_until(self) -> datetime | None:
        """Until when to leave the endpoint alone; None to go on."""
        return max(filter(None, (self.asked_until, self.down_until)), default=None)

    def room(self, under_way: int, concurrency: int = CONCURRENCY) -> int:
        """Return how many attempts may begin while `under_way` others have not ended.

        Of an endpoint that counts as down, a single event asks whether it is up again.
        """
        if self.is_gone or self.paused_until or (self.failures and under_way):
            return 0
        return 1 if self.failures >= BREAKER_FAILURES else concurrency - under_way

    def after(
        self, ended: Sequence[tuple[int, Attempt]], now: datetime, jitter: float
    ) -> "EndpointHealth":
        """Return how it stands when attempts, each with its round, have ended."""
        attempts = [attempt for _, attempt in ended]
        asked = pause(0, max(each.retry_after or 0.0 for each in attempts), jitter)
        known = replace(
            self,
            asked_until=_later(self.asked_until, now, asked),
            is_gone=self.is_gone or any(attempt.is_gone for attempt in attempts),
        )
        if any(not attempt.is_outage for attempt in attempts):
            return replace(known, failures=0, down_until=None)
        if all(round_ != self.round for round_, _ in ended):
            return known
        failures = self.failures + 1
        return replace(
            known,
            failures=failures,
            round=self.round + 1,
            down_until=_later(None, now, pause(failures, None, jitter)),
        )


def _later(
    until: datetime | None, now: datetime, seconds: float | None
) -> datetime | None:
    if seconds is None:
        return until
    ends = now + timedelta(seconds=seconds)
    return ends if until is None else max(until, ends)
