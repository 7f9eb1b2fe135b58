"""The short form of `make chaos`: a third of the kinds of faults, under a backlog."""

import random
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, choose_faults
from tests.chaos.run import LEAST_BACKLOG, Options, run

LASTING_SECONDS = 3
FEW = len(FAULTS) // 3


@pytest.mark.alone
@pytest.mark.timeout(420)
def test_nothing_is_lost_doubled_or_disordered_whatever_breaks(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    # Which third is chance, so that a few runs see all of them.
    options = Options(
        seconds=float("inf"), seed=seed, lasting_seconds=LASTING_SECONDS, most=FEW
    )

    report = run(tmp_path, options, print)

    assert report.is_clean, "\n".join(report.lines())
    assert report.accepted > 1000
    assert report.refused > 0
    played = report.undone, report.decided, report.outdated, report.protected
    assert min(played) > 0
    assert len({each.fault for each in report.faults}) == FEW
    assert min(each.backlog for each in report.faults) >= LEAST_BACKLOG
    assert report.document()["lost"] == 0


def test_every_kind_of_fault_comes_before_any_comes_again() -> None:
    names = choose_faults(7)
    rounds = [[next(names) for _ in FAULTS] for _ in range(2)]

    assert [sorted(each) for each in rounds] == [sorted(FAULTS)] * 2
    assert rounds[0] != rounds[1]


def test_a_seed_repeats_the_choice_of_faults() -> None:
    first, again = (choose_faults(7, {"disk full"}) for _ in range(2))

    assert [next(first) for _ in range(40)] == [next(again) for _ in range(40)]
