from dataclasses import replace

import pytest

from ingest.domain.progress import Holder, PartitionProgress, find_stalls
from ingest.local.stalls import StallWatch

STALLED = PartitionProgress(
    partition=2, waiting=3, oldest_seconds=40.0, drained_seconds=35.0, holder=None
)
SILENT = Holder(name="penstock-drain-host-7-41", is_working=False, seconds=31.0)


@pytest.mark.parametrize(
    ("progress", "is_stalled"),
    [
        pytest.param(STALLED, True, id="nobody takes it"),
        pytest.param(replace(STALLED, drained_seconds=None), True, id="never drained"),
        pytest.param(replace(STALLED, oldest_seconds=None), False, id="nothing waits"),
        pytest.param(replace(STALLED, oldest_seconds=29.0), False, id="not for long"),
        pytest.param(replace(STALLED, drained_seconds=1.0), False, id="a backlog"),
        pytest.param(replace(STALLED, holder=SILENT), True, id="a silent holder"),
        pytest.param(
            replace(STALLED, holder=replace(SILENT, is_working=True, seconds=900.0)),
            False,
            id="a batch that takes long",
        ),
        pytest.param(
            replace(STALLED, holder=replace(SILENT, seconds=2.0)),
            False,
            id="a drain that was heard of",
        ),
    ],
)
def test_only_what_could_get_on_and_does_not_is_stalled(
    progress: PartitionProgress, is_stalled: bool
) -> None:
    assert bool(find_stalls([progress])) is is_stalled


@pytest.mark.parametrize(
    ("holder", "host", "is_blamed"),
    [
        pytest.param(None, "anywhere", True, id="nobody holds it"),
        pytest.param(SILENT, "host-7", True, id="its own"),
        pytest.param(SILENT, "host-8", False, id="another"),
        pytest.param(SILENT, "host", False, id="a prefix"),
        pytest.param(
            replace(SILENT, name=f"penstock-drain-{'h' * 48}"),
            "h" * 60,
            True,
            id="a name that Postgres cut",
        ),
    ],
)
def test_a_stall_is_blamed_on_the_host_that_holds_the_partition(
    holder: Holder | None, host: str, is_blamed: bool
) -> None:
    (stall,) = find_stalls([replace(STALLED, holder=holder)])

    assert stall.is_of(host) is is_blamed


def test_a_stall_says_what_waits_and_who_holds_it() -> None:
    free, held = find_stalls([STALLED, replace(STALLED, holder=SILENT)])

    assert free.text == (
        "partition 2: 3 imports waiting, the oldest for 40 s; no worker is processing "
        "them"
    )
    assert held.text.endswith(
        "leased by penstock-drain-host-7-41, no progress for 31 s"
    )


def test_a_restart_is_asked_for_once_it_was_seen_thrice_in_a_row() -> None:
    asked: list[tuple[str, str]] = []
    watch = StallWatch(lambda name, reason: asked.append((name, reason)))

    looks = [{"drains": "x"}, {"drains": "x"}, {}, *[{"drains": "y"}] * 4]
    pauses = [watch.note(look) for look in looks]

    assert pauses == [5.0] * 5 + [60.0, 5.0]
    assert asked == [("drains", "y")]
