"""When a delivery is tried again, and when an endpoint is left alone."""

from dataclasses import dataclass

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

#: Failures in a row, however many events each met, after which an endpoint counts as
#: down.
BREAKER_FAILURES = 3
_FIRST_PAUSE = 10.0
_LONGEST_PAUSE = 15 * _MINUTE
#: An endpoint that asks for more is asked again after this.
_LONGEST_RETRY_AFTER = _HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of sending one event once."""

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
