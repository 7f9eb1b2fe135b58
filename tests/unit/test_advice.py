"""Whoever corrects a row is told what to do, for every fault a row can have."""

import re
from pathlib import Path

import pytest

from ingest.domain.advice import advise
from ingest.domain.errors import Fault

ROOT = Path(__file__).parents[2]
#: Where the faults of a profile's values are made.
SOURCES = [
    ROOT / "ingest" / "domain" / f"{name}.py"
    for name in ("addresses", "contacts", "countries", "dates", "values", "drafts")
]
MESSAGES = sorted(
    {
        message
        for source in SOURCES
        for message in re.findall(
            r'Invalid(?:Value|Request)\("([^"]+)"', source.read_text()
        )
    }
)
VAGUE = advise(Fault(code=400, message="Whatever"))


@pytest.mark.parametrize("message", MESSAGES)
def test_the_fault_of_a_value_has_advice_of_its_own(message: str) -> None:
    assert advise(Fault(code=400, message=message, path="data.x")) != VAGUE


@pytest.mark.parametrize("code", [404, 409, 413, 500])
def test_any_other_fault_has_the_advice_of_its_code(code: int) -> None:
    assert advise(Fault(code=code, message="Something")) not in ("", VAGUE)
