"""The short form of `make fuzz`."""

import pytest

from ingest.domain.errors import PenstockError
from tests.fuzz.run import Report, load_corpus, try_one, try_one_large, try_sizes
from tests.fuzz.sizes import SIZES, make_document
from tests.fuzz.targets import TARGETS, read_import


def test_changed_samples_are_read_or_refused() -> None:
    corpus, report = load_corpus(), Report()

    for seed in range(3000):
        try_one(seed, corpus, report)

    assert report.broken == []
    # Were nothing read, or nothing refused, nothing would have been tried.
    for name in TARGETS:
        assert 0 < report.refused[name] < report.tried[name]


def test_sizes_around_the_limits_are_read_or_refused() -> None:
    report = Report()

    try_sizes(7, report)
    for seed in range(20):
        try_one_large(seed, report)

    assert report.broken == []
    for name in ("import", "batch", "form"):
        assert 0 < report.refused[name] < report.tried[name]


def is_read(name: str, size: int) -> bool:
    try:
        read_import(make_document(name, size))
    except PenstockError:
        return False
    return True


#: An import of so many values is too long; what else it says counts among its bytes.
@pytest.mark.parametrize("name", sorted(SIZES.keys() - {"values"}))
def test_sizes_are_around_the_limit_that_they_are_for(name: str) -> None:
    limit, _ = SIZES[name]
    rest = 200 if name == "profile_bytes" else 0

    assert is_read(name, limit - rest)
    assert not is_read(name, limit + 1)


def test_an_error_that_is_not_ours_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: bytes) -> None:
        raise ValueError

    report = Report()
    monkeypatch.setattr("tests.fuzz.run.TARGETS", {"broken": fail})
    try_one(7, load_corpus(), report)

    assert report.broken == ["broken, seed 7: ValueError in fail"]
