"""Concerns of an operator, the worst first, each in a sentence: without I/O.

A concern is shown once it has been true for a minute. It has its begin, what follows
from it, what is safe, and what to do.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from msgspec import Struct

from ingest.domain.counts import count
from ingest.domain.deliveries import SCHEDULE, DisabledReason
from ingest.domain.durations import age_seconds, describe_seconds
from ingest.domain.rollups import StreamSample, is_growing

#: Shown at most; of the others, only their number.
MOST_SHOWN = 5
#: For so long a concern must have been true.
_PATIENCE_SECONDS = 60.0
#: A backlog whose oldest import is younger is none.
_SLOW_SECONDS = 10.0
#: An event that has waited for longer is late.
_LATE_SECONDS = 300.0
#: A share of rejected imports is unusual from here on, and from so many times usual.
_UNUSUAL_SHARE = 0.01
_UNUSUAL_TIMES = 3.0
#: Fewer rejected imports are no share.
_FEWEST_REJECTED = 5
#: A source is silent after so many of its usual gaps.
_SILENT_GAPS = 4.0
#: Gaps of a source that make it usual.
_FEWEST_GAPS = 12
#: A build that has made no progress for so long has stopped.
_STUCK_SECONDS = 300.0
#: The counts of minutes are late from here on.
_COUNTED_SECONDS = 300.0


class Concern(Struct, frozen=True, kw_only=True):
    """Something that needs attention."""

    #: One word for its kind, and `bad`, `warn`, or `held`.
    word: str
    tone: str
    #: What it is about; the sentences go on from there.
    subject: str
    text: str
    since: datetime | None = None
    #: The page where something can be done, and what its link is called.
    href: str = ""
    action: str = ""


class EndpointFlow(Struct, frozen=True, kw_only=True):
    """An endpoint, and how deliveries to it went."""

    id: int
    name: str
    pending: int
    oldest_pending_at: datetime | None
    delayed: int = 0
    failed: int = 0
    skipped: int = 0
    paused_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_reason: str = ""
    #: Attempts of the last day, those that delivered and those that did not.
    delivered_attempts: int = 0
    failed_attempts: int = 0
    #: Delivered a minute, over the last ten whole ones.
    per_minute: float = 0.0
    last_error: str = ""
    last_failed_at: datetime | None = None
    last_delivered_at: datetime | None = None
    #: The first attempt that failed since the last that did not; None while none does.
    failing_since: datetime | None = None

    @property
    def is_failing(self) -> bool:
        """Whether its last attempt failed."""
        return self.failing_since is not None

    @property
    def success(self) -> float | None:
        """The share of the attempts of a day that delivered; None without any."""
        made = self.delivered_attempts + self.failed_attempts
        return self.delivered_attempts / made if made else None

    @property
    def gone_in_seconds(self) -> float | None:
        """Seconds that its events take at its rate; None while it has none."""
        if not self.pending:
            return 0.0
        return 60 * self.pending / self.per_minute if self.per_minute > 0 else None


class SourceHealth(Struct, frozen=True, kw_only=True):
    """A token, or an input without one, and its imports of the last day."""

    token_id: int
    #: Of the token; empty without one.
    name: str
    door: str
    imports: int
    rejected: int
    last_at: datetime
    #: Between imports in the last week, at the resolution of hours.
    usual_gap_seconds: float | None = None
    longest_gap_seconds: float | None = None

    @property
    def share(self) -> float:
        """The share of rejected imports."""
        return self.rejected / self.imports if self.imports else 0.0

    def is_silent(self, now: datetime) -> bool:
        """Whether it has sent nothing for far longer than is usual for it."""
        usual, longest = self.usual_gap_seconds, self.longest_gap_seconds
        if usual is None or longest is None:
            return False
        quiet = age_seconds(self.last_at, now)
        return quiet > _SILENT_GAPS * usual and quiet > longest


def measure_gaps(hours: Sequence[datetime]) -> tuple[float | None, float | None]:
    """Return the median and the longest seconds between hours with imports.

    `hours` are in order. None for a source that has sent too seldom to have habits.
    """
    gaps = sorted((after - before).total_seconds() for before, after in pairwise(hours))
    if len(gaps) < _FEWEST_GAPS:
        return None, None
    return gaps[len(gaps) // 2], gaps[-1]


class Rejections(Struct, frozen=True, kw_only=True):
    """Imports of the last ten whole minutes, and of the week before."""

    imports: int = 0
    rejected: int = 0
    usual_imports: int = 0
    usual_rejected: int = 0
    #: The first of the minutes in a row with an unusual share.
    since: datetime | None = None

    @property
    def share(self) -> float:
        """The share of rejected imports of the last minutes."""
        return self.rejected / self.imports if self.imports else 0.0

    @property
    def usual_share(self) -> float:
        """The share of rejected imports of the week before."""
        return self.usual_rejected / self.usual_imports if self.usual_imports else 0.0

    @property
    def bound(self) -> float:
        """The share from which on it is unusual."""
        return max(_UNUSUAL_SHARE, _UNUSUAL_TIMES * self.usual_share)

    @property
    def is_unusual(self) -> bool:
        """Whether far more than usual are rejected."""
        return self.rejected >= _FEWEST_REJECTED and self.share >= self.bound


class StuckBuild(Struct, frozen=True, kw_only=True):
    """A build of a segment, and when it made progress last."""

    segment_id: int
    name: str
    updated_at: datetime


class Situation(Struct, frozen=True, kw_only=True):
    """All that concerns are found in."""

    endpoints: Sequence[EndpointFlow] = ()
    sources: Sequence[SourceHealth] = ()
    rejections: Rejections = Rejections()
    builds: Sequence[StuckBuild] = ()
    dead_letters: int = 0
    oldest_dead_at: datetime | None = None
    held: int = 0
    oldest_held_at: datetime | None = None
    #: Days after which undecided imports are rejected.
    held_days: int = 28
    missing: int = 0
    oldest_missing_at: datetime | None = None
    #: The last minutes.
    samples: Sequence[StreamSample] = ()
    #: Now; None while Redis does not answer.
    waiting: int | None = None
    oldest_waiting_at: datetime | None = None
    #: When the last batch was committed; None for never.
    drained_at: datetime | None = None
    #: How far minutes are counted; None for not at all.
    counted_until: datetime | None = None


def find_concerns(situation: Situation, now: datetime) -> list[Concern]:
    """Return what needs attention, the worst first."""
    return [
        *_find_missing(situation, now),
        *_find_backlog(situation, now),
        *_find_failing(situation, now),
        *_find_dead(situation, now),
        *_find_late(situation, now),
        *_find_rejections(situation, now),
        *_find_silent(situation, now),
        *_find_held(situation, now),
        *_find_stuck(situation, now),
        *_find_uncounted(situation, now),
    ]


def describe_postgres_outage(
    since: datetime | None, waiting: int | None, now: datetime
) -> Concern:
    """Return the concern that Postgres does not answer; `waiting` may be unknown."""
    begin = f" {_since(since, now)}" if since else ""
    backlog = "" if waiting is None else f": {count(waiting, 'import')} in the backlog"
    return Concern(
        word="Postgres",
        tone="bad",
        subject="The database",
        text=f"does not respond{begin}. Imports are still accepted, and none is lost"
        f"{backlog}. They are processed when it responds. Check the PostgreSQL server.",
        since=since,
    )


def describe_redis_outage() -> Concern:
    """Return the concern that Redis does not answer."""
    return Concern(
        word="Redis",
        tone="bad",
        subject="Redis",
        text="does not respond: no import is accepted, and producers get 503 to retry. "
        "Accepted imports are on its disk. Check the Redis server.",
    )


def describe_when(at: datetime, now: datetime) -> str:
    """Write a moment as short as it is clear: `14:32`, `27 Nov 17:40`, `3 Mar 2024`."""
    if at.date() == now.date():
        return f"{at:%H:%M}"
    if abs(now - at) < timedelta(days=300):
        return f"{at.day} {at:%b %H:%M}"
    return f"{at.day} {at:%b %Y}"


def _since(at: datetime, now: datetime) -> str:
    """Write since when, and for how long."""
    age = describe_seconds(age_seconds(at, now))
    return f"since {describe_when(at, now)} ({age})"


def _is_due(since: datetime | None, now: datetime) -> bool:
    return since is not None and age_seconds(since, now) >= _PATIENCE_SECONDS


def _verb(number: int, one: str, many: str) -> str:
    return one if number == 1 else many


def _find_missing(situation: Situation, now: datetime) -> Iterator[Concern]:
    number, since = situation.missing, situation.oldest_missing_at
    if number and since is not None:
        yield Concern(
            word="Missing",
            tone="bad",
            subject=count(number, "accepted import"),
            text=f"{_verb(number, 'has', 'have')} no receipt, no stream entry, and no "
            f"dead letter; the first was accepted at {describe_when(since, now)}. List "
            "them with penstock audit and send them again.",
            since=since,
        )


def _find_backlog(situation: Situation, now: datetime) -> Iterator[Concern]:
    oldest, waiting = situation.oldest_waiting_at, situation.waiting
    if not waiting or oldest is None:
        return
    begins = (
        f"{_verb(waiting, 'waits', 'wait')}, the oldest for "
        f"{describe_seconds(age_seconds(oldest, now))}"
    )
    drained = situation.drained_at
    if _is_due(oldest, now) and (drained is None or _is_due(drained, now)):
        last = f" since {describe_when(drained, now)}" if drained else ""
        yield Concern(
            word="Stopped",
            tone="bad",
            subject=count(waiting, "import"),
            text=f"{begins}, and no batch was committed{last}. No accepted import is "
            "lost. Check the workers with penstock doctor.",
            since=drained or oldest,
        )
    elif age_seconds(oldest, now) >= _SLOW_SECONDS and is_growing(situation.samples):
        since = situation.samples[-4].at
        yield Concern(
            word="Backlog",
            tone="warn",
            subject=count(waiting, "import"),
            text=f"{begins}, and more each minute since {describe_when(since, now)}. "
            "No accepted import is lost. Add workers if it continues.",
            since=since,
        )


def _find_failing(situation: Situation, now: datetime) -> Iterator[Concern]:
    for each in situation.endpoints:
        waiting = count(each.pending, "event")
        if each.disabled_at is not None and _is_due(each.disabled_at, now):
            reason = {
                DisabledReason.GONE.value: "because it returned 410 Gone",
                DisabledReason.FAILING.value: "because every attempt failed",
            }.get(each.disabled_reason, "by an operator")
            yield Concern(
                word="Disabled",
                tone="bad",
                subject=each.name,
                text=f"is disabled {reason}, {_since(each.disabled_at, now)}. "
                f"{waiting} pending, none is lost. Enable it with penstock endpoint "
                f"enable {each.id}.",
                since=each.disabled_at,
                href=f"/deliveries?endpoint={each.id}",
                action="View deliveries",
            )
        elif each.failing_since is not None and _is_due(each.failing_since, now):
            tried = describe_seconds(sum(SCHEDULE))
            yield Concern(
                word="Failing",
                tone="bad",
                subject=each.name,
                text=f"fails {_since(each.failing_since, now)}: {each.last_error}. "
                f"{waiting} pending. Each is retried for {tried}, then it "
                "fails and can be resent. Check the receiver.",
                since=each.failing_since,
                href=f"/deliveries?endpoint={each.id}",
                action="View deliveries",
            )


def _find_dead(situation: Situation, now: datetime) -> Iterator[Concern]:
    if number := situation.dead_letters:
        since = situation.oldest_dead_at
        first = f", the first at {describe_when(since, now)}" if since else ""
        yield Concern(
            word="Dead",
            tone="bad",
            subject=count(number, "import"),
            text=f"{_verb(number, 'was', 'were')} not applied because of an internal "
            f"error{first}. Nothing is lost: each is a dead letter until it is "
            "replayed or discarded.",
            since=since,
            href="/dead-letters",
            action="View dead letters",
        )


def _find_late(situation: Situation, now: datetime) -> Iterator[Concern]:
    for each in situation.endpoints:
        oldest = each.oldest_pending_at
        is_named = each.disabled_at is not None or each.is_failing
        if oldest is None or is_named or age_seconds(oldest, now) < _LATE_SECONDS:
            continue
        seconds = each.gone_in_seconds
        rest = (
            "None was delivered in the last 10 minutes."
            if seconds is None
            else f"At {each.per_minute:,.0f} a minute, they are gone in about "
            f"{describe_seconds(seconds)}."
        )
        yield Concern(
            word="Late",
            tone="warn",
            subject=each.name,
            text=f"has {count(each.pending, 'event')} pending, the oldest "
            f"{_since(oldest, now)}. {rest} No event is lost. Check its rate and the "
            "upkeep worker.",
            since=oldest,
            href=f"/deliveries?endpoint={each.id}",
            action="View deliveries",
        )


def _find_rejections(situation: Situation, now: datetime) -> Iterator[Concern]:
    told = situation.rejections
    if told.is_unusual and _is_due(told.since, now) and told.since is not None:
        yield Concern(
            word="Rejected",
            tone="warn",
            subject=f"{told.share:.1%} of the imports",
            text=f"are rejected {_since(told.since, now)}; {told.usual_share:.1%} is "
            "usual. They change no profile. Their producers must correct the values "
            "and send them again.",
            since=told.since,
            href="/imports?failed=1",
            action="View failed imports",
        )


def _find_silent(situation: Situation, now: datetime) -> Iterator[Concern]:
    for each in situation.sources:
        if each.is_silent(now):
            longest = describe_seconds(each.longest_gap_seconds or 0.0)
            yield Concern(
                word="Silent",
                tone="warn",
                subject=each.name or describe_door(each.door),
                text=f"has sent no import {_since(each.last_at, now)}. In the week "
                f"before, the longest pause was about {longest}. Check the producer.",
                since=each.last_at,
            )


def _find_held(situation: Situation, now: datetime) -> Iterator[Concern]:
    number, since = situation.held, situation.oldest_held_at
    if number and since is not None and _is_due(since, now):
        end = since + timedelta(days=situation.held_days)
        yield Concern(
            word="Held",
            tone="held",
            subject=count(number, "import"),
            text=f"{_verb(number, 'is', 'are')} held because several profiles match, "
            f"the oldest {_since(since, now)}. Without a decision, it is rejected on "
            f"{end.day} {end:%b}.",
            since=since,
            href="/held",
            action="Decide",
        )


def _find_stuck(situation: Situation, now: datetime) -> Iterator[Concern]:
    for each in situation.builds:
        if age_seconds(each.updated_at, now) >= _STUCK_SECONDS:
            yield Concern(
                word="Stuck",
                tone="warn",
                subject=each.name,
                text="has made no progress with its build "
                f"{_since(each.updated_at, now)}. Until it ends, the segment has its "
                "earlier members. Check the upkeep worker.",
                since=each.updated_at,
                href=f"/segments/{each.segment_id}",
                action="View segment",
            )


def _find_uncounted(situation: Situation, now: datetime) -> Iterator[Concern]:
    until = situation.counted_until
    if until is not None and age_seconds(until, now) >= _COUNTED_SECONDS:
        yield Concern(
            word="Charts",
            tone="warn",
            subject="The charts",
            text=f"end at {describe_when(until, now)}: later imports are not counted "
            "yet. Imports are not affected. Check the upkeep worker.",
            since=until,
        )


def describe_door(door: str) -> str:
    """Return the name of an input."""
    return {
        "http": "HTTP",
        "broker": "Queue",
        "file": "File",
        "console": "Console",
        "suppression": "Suppression",
        "confirm": "Confirmation",
    }.get(door, door)
