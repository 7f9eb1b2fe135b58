"""Back-pressure: how much waits, and when to come back."""

from ingest.doors.backlog import FRESH_SECONDS, Backlog


def test_nothing_waits_before_the_first_look() -> None:
    backlog = Backlog()

    assert backlog.waiting == 0
    assert not backlog.is_fresh(0)


def test_a_look_is_good_for_a_moment_only() -> None:
    backlog = Backlog()
    backlog.note(100, waiting=7, accepted=1)

    assert backlog.waiting == 7
    assert backlog.is_fresh(100 + FRESH_SECONDS / 2)
    assert not backlog.is_fresh(100 + FRESH_SECONDS)


def test_retry_after_is_the_waiting_work_over_its_rate() -> None:
    backlog = Backlog()
    backlog.note(0, waiting=3000, accepted=0)
    backlog.note(2, waiting=2000, accepted=0)

    assert backlog.retry_after_seconds() == 4


def test_what_was_accepted_meanwhile_counts_as_applied_when_the_backlog_is_level() -> (
    None
):
    backlog = Backlog()
    backlog.note(0, waiting=1000, accepted=0)
    backlog.note(1, waiting=1000, accepted=250)
    backlog.note(2, waiting=1000, accepted=250)

    assert backlog.retry_after_seconds() == 4


def test_retry_after_is_a_second_at_least_and_a_minute_at_most() -> None:
    fast, slow = Backlog(), Backlog()
    fast.note(0, waiting=100_000, accepted=0)
    fast.note(1, waiting=10, accepted=0)
    slow.note(0, waiting=100_001, accepted=0)
    slow.note(1, waiting=100_000, accepted=0)

    assert fast.retry_after_seconds() == 1
    assert slow.retry_after_seconds() == 60


def test_retry_after_is_a_guess_while_nothing_moves() -> None:
    backlog = Backlog()
    first = backlog.retry_after_seconds()
    backlog.note(0, waiting=10, accepted=0)
    backlog.note(1, waiting=10, accepted=0)

    assert first == backlog.retry_after_seconds() == 5


def test_a_rate_of_long_ago_is_forgotten() -> None:
    backlog = Backlog()
    backlog.note(0, waiting=100_000, accepted=0)
    backlog.note(1, waiting=1000, accepted=0)
    backlog.note(12, waiting=1000, accepted=0)
    backlog.note(13, waiting=900, accepted=0)

    assert backlog.retry_after_seconds() == 9


def test_many_looks_in_a_moment_are_kept_as_few() -> None:
    backlog = Backlog()
    for step in range(10_000):
        backlog.note(step / 100_000, waiting=step, accepted=1)

    assert len(backlog._samples) < 50
    assert backlog.waiting == 9999
