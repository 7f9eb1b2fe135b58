"""The short form of `make chaos`: half of the kinds of faults once, under a backlog."""

import random
from itertools import islice
from pathlib import Path

import pytest

from tests.chaos.faults import FAULTS, choose_faults
from tests.chaos.run import LEAST_BACKLOG, Options, run

LASTING_SECONDS = 3


@pytest.mark.alone
@pytest.mark.timeout(420)
def test_nothing_is_lost_doubled_or_disordered_whatever_breaks(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(10**6)
    # Which half is chance, so that a few runs see all of them.
    faults = tuple(islice(choose_faults(seed, has_cable=False), len(FAULTS) // 2))
    options = Options(
        seconds=float("inf"), seed=seed, lasting_seconds=LASTING_SECONDS, faults=faults
    )

    report = run(tmp_path, options, print)

    assert report.is_clean, "\n".join(report.lines())
    assert report.accepted > 1000
    assert [each.fault for each in report.faults] == list(faults)
    assert min(each.backlog for each in report.faults) >= LEAST_BACKLOG
    assert report.document()["lost"] == 0


def test_every_kind_of_fault_comes_before_any_comes_again() -> None:
    names = choose_faults(7, has_cable=True)
    rounds = [[next(names) for _ in FAULTS] for _ in range(2)]

    assert [sorted(each) for each in rounds] == [sorted(FAULTS)] * 2
    assert rounds[0] != rounds[1]


def test_a_seed_repeats_the_choice_of_faults() -> None:
    first, again = (choose_faults(7, has_cable=False) for _ in range(2))

    assert [next(first) for _ in range(40)] == [next(again) for _ in range(40)]
