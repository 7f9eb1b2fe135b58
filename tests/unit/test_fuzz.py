"""The short form of `make fuzz`."""

import pytest

from tests.fuzz.run import Report, load_corpus, try_one
from tests.fuzz.targets import TARGETS


def test_changed_samples_are_read_or_refused() -> None:
    corpus, report = load_corpus(), Report()

    for seed in range(3000):
        try_one(seed, corpus, report)

    assert report.broken == []
    # Were nothing read, or nothing refused, nothing would have been tried.
    for name in TARGETS:
        assert 0 < report.refused[name] < report.tried[name]


def test_an_error_that_is_not_ours_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> None:
        raise ValueError

    report = Report()
    monkeypatch.setattr("tests.fuzz.run.TARGETS", {"broken": fail})
    try_one(7, load_corpus(), report)

    assert report.broken == ["broken, seed 7: ValueError in fail"]
