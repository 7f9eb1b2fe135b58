"""What needs attention, when, in which order, and in which words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from ingest.domain.attention import (
    EndpointFlow,
    Rejections,
    Situation,
    SourceHealth,
    StuckBuild,
    describe_postgres_outage,
    describe_redis_outage,
    describe_when,
    find_concerns,
    measure_gaps,
)
from ingest.domain.rollups import StreamSample

NOW = datetime(2026, 11, 27, 14, 32, 7, tzinfo=UTC)


def ago(**spans: float) -> datetime:
    return NOW - timedelta(**spans)


def endpoint(**changes: Any) -> EndpointFlow:
    plain = EndpointFlow(id=1, name="CRM", pending=0, oldest_pending_at=None)
    return replace(plain, **changes)


def source(**changes: Any) -> SourceHealth:
    plain = SourceHealth(
        token_id=1, name="pos", door="http", imports=9, rejected=0, last_at=NOW
    )
    return replace(plain, **changes)


def samples(*waiting: int) -> list[StreamSample]:
    return [
        StreamSample(
            at=ago(minutes=len(waiting) - place),
            accepted=None,
            waiting=number,
            oldest_seconds=None,
        )
        for place, number in enumerate(waiting)
    ]


def words(situation: Situation) -> list[str]:
    return [concern.word for concern in find_concerns(situation, NOW)]


def text(situation: Situation) -> str:
    (concern,) = find_concerns(situation, NOW)
    return f"{concern.subject} {concern.text}"


def test_a_calm_system_has_no_concerns() -> None:
    calm = Situation(
        endpoints=[endpoint(last_delivered_at=NOW)],
        sources=[source()],
        waiting=3,
        oldest_waiting_at=ago(seconds=1),
        drained_at=ago(seconds=1),
        counted_until=ago(seconds=8),
    )

    assert words(calm) == []


BUSY: dict[str, Any] = {"waiting": 12_004, "oldest_waiting_at": ago(minutes=3)}
FAILING = endpoint(pending=1284, failing_since=ago(minutes=40), last_error="HTTP 503")
SILENT = source(
    last_at=ago(hours=5), usual_gap_seconds=3600.0, longest_gap_seconds=7200.0
)
REJECTED = Rejections(
    imports=100,
    rejected=17,
    usual_imports=1000,
    usual_rejected=4,
    since=ago(minutes=8),
)
#: Each concern, a situation that has it, and what its sentence has to name.
CONCERNS: list[tuple[str, Situation, tuple[str, ...]]] = [
    (
        "Missing",
        Situation(missing=1, oldest_missing_at=ago(hours=1)),
        ("1 accepted import has no receipt", "13:32", "penstock audit"),
    ),
    (
        "Stopped",
        Situation(**BUSY, drained_at=ago(minutes=2)),
        ("12,004 imports wait", "3 min", "14:30", "lost", "penstock doctor"),
    ),
    (
        "Stopped",
        Situation(**BUSY, drained_at=None),
        ("12,004 imports wait", "no batch was committed."),
    ),
    (
        "Backlog",
        Situation(**BUSY, drained_at=NOW, samples=samples(1, 2, 3, 4)),
        ("12,004 imports wait", "since 14:28", "lost", "Add workers"),
    ),
    (
        "Disabled",
        Situation(
            endpoints=[endpoint(disabled_at=ago(days=2), disabled_reason="gone")]
        ),
        (
            "CRM is disabled because it returned 410",
            "25 Nov 14:32",
            "endpoint enable 1",
        ),
    ),
    (
        "Failing",
        Situation(endpoints=[FAILING]),
        ("CRM fails since 13:52 (40 min): HTTP 503", "1,284 events", "3 d 3 h"),
    ),
    (
        "Dead",
        Situation(dead_letters=3, oldest_dead_at=NOW),
        ("3 imports were not applied", "internal error", "lost", "replayed"),
    ),
    (
        "Late",
        Situation(
            endpoints=[
                endpoint(
                    pending=600, oldest_pending_at=ago(minutes=12), per_minute=60.0
                )
            ]
        ),
        ("CRM has 600 events pending", "14:20", "gone in about 10 min", "lost"),
    ),
    (
        "Rejected",
        Situation(rejections=REJECTED),
        ("17.0% of the imports are rejected since 14:24", "0.4% is usual", "producers"),
    ),
    (
        "Silent",
        Situation(sources=[SILENT]),
        ("pos has sent no import since 09:32 (5 h)", "about 2 h", "producer"),
    ),
    (
        "Held",
        Situation(held=1, oldest_held_at=ago(hours=21)),
        ("1 import is held", "26 Nov 17:32", "rejected on 24 Dec"),
    ),
    (
        "Stuck",
        Situation(
            builds=[StuckBuild(segment_id=4, name="VIP", updated_at=ago(hours=1))]
        ),
        ("VIP has made no progress", "13:32", "upkeep worker"),
    ),
    (
        "Charts",
        Situation(counted_until=ago(minutes=30)),
        ("The charts end at 14:02", "not affected", "upkeep worker"),
    ),
]


@pytest.mark.parametrize(("word", "situation", "named"), CONCERNS)
def test_a_concern_says_since_when_what_follows_and_what_to_do(
    word: str, situation: Situation, named: tuple[str, ...]
) -> None:
    assert words(situation) == [word]
    for part in named:
        assert part in text(situation)


def test_the_worst_come_first() -> None:
    every = Situation(
        missing=1,
        oldest_missing_at=ago(hours=1),
        **BUSY,
        drained_at=ago(minutes=2),
        endpoints=[FAILING],
        dead_letters=1,
        rejections=REJECTED,
        sources=[SILENT],
        held=1,
        oldest_held_at=ago(hours=2),
        counted_until=ago(hours=1),
    )

    assert words(every) == [
        *("Missing", "Stopped", "Failing", "Dead"),
        *("Rejected", "Silent", "Held", "Charts"),
    ]


@pytest.mark.parametrize(
    "situation",
    [
        Situation(
            waiting=9, oldest_waiting_at=ago(seconds=59), drained_at=ago(seconds=70)
        ),
        Situation(
            waiting=9, oldest_waiting_at=ago(seconds=90), drained_at=ago(seconds=59)
        ),
        Situation(endpoints=[replace(FAILING, failing_since=ago(seconds=59))]),
        Situation(endpoints=[endpoint(disabled_at=ago(seconds=59))]),
        Situation(held=2, oldest_held_at=ago(seconds=59)),
        Situation(rejections=replace(REJECTED, since=ago(seconds=59))),
        Situation(endpoints=[endpoint(pending=9, oldest_pending_at=ago(seconds=299))]),
        Situation(**BUSY, drained_at=NOW, samples=samples(1, 2, 3)),
        Situation(
            waiting=954,
            oldest_waiting_at=ago(seconds=9),
            drained_at=NOW,
            samples=samples(1, 2, 3, 4),
        ),
    ],
)
def test_what_has_been_true_for_less_than_a_minute_is_not_shown(
    situation: Situation,
) -> None:
    assert words(situation) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"rejected": 4},
        {"imports": 10_000},
        {"usual_rejected": 60},
    ],
)
def test_a_usual_share_of_rejected_imports_is_no_concern(
    changes: dict[str, int],
) -> None:
    assert words(Situation(rejections=replace(REJECTED, **changes))) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"last_at": ago(hours=3, minutes=59)},
        {"longest_gap_seconds": 6 * 3600.0},
        {"usual_gap_seconds": None},
    ],
)
def test_a_pause_that_is_usual_is_no_silence(changes: dict[str, Any]) -> None:
    assert words(Situation(sources=[replace(SILENT, **changes)])) == []


def test_only_a_source_with_habits_has_gaps() -> None:
    hours = [ago(hours=hour) for hour in range(20, 0, -1)]

    assert measure_gaps(hours) == (3600.0, 3600.0)
    assert measure_gaps([*hours, NOW + timedelta(hours=9)])[1] == 36_000.0
    assert measure_gaps(hours[:12]) == (None, None)


def test_an_endpoint_without_attempts_has_no_rate() -> None:
    assert endpoint().success is None
    assert endpoint().gone_in_seconds == 0
    assert endpoint(pending=3).gone_in_seconds is None
    assert endpoint(delivered_attempts=3, failed_attempts=1).success == 0.75


def test_an_outage_says_that_nothing_is_lost() -> None:
    postgres = describe_postgres_outage(ago(minutes=2), 12_004, NOW)
    redis = describe_redis_outage()

    assert "does not respond since 14:30 (2 min)" in postgres.text
    assert "12,004 imports in the backlog" in postgres.text
    assert "none is lost" in postgres.text
    assert "no import is accepted" in redis.text
    assert describe_postgres_outage(None, None, NOW).text.startswith(
        "does not respond."
    )


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (ago(hours=1), "13:32"),
        (ago(days=1), "26 Nov 14:32"),
        (ago(days=400), "23 Oct 2025"),
    ],
)
def test_a_moment_is_as_short_as_it_is_clear(at: datetime, written: str) -> None:
    assert describe_when(at, NOW) == written
