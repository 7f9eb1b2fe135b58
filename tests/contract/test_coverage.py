"""Each fact of the contract has a test, or a reason to have none."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.coverage import Facts, find_problems

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "contract-coverage.md"


def test_every_fact_is_tested_and_the_document_says_by_what() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "tests.contract.coverage"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stderr
    assert made.stdout == DOCUMENT.read_text(), "run tests.contract.coverage again"


FACTS = Facts(
    sections={"1": "One"},
    sentences={"1-a": "A.", "1.1-b": "B."},
    not_tested={"1.1-b": "Nobody can."},
)


@pytest.mark.parametrize(
    ("tests", "problems"),
    [
        pytest.param({"1-a": ["t"]}, [], id="tested or excused"),
        pytest.param({}, ["No test, no reason: 1-a"], id="neither"),
        pytest.param(
            {"1-a": ["t"], "1-c": ["t"]},
            ["A test marks an unknown fact: 1-c"],
            id="an unknown fact",
        ),
        pytest.param(
            {"1-a": ["t"], "1.1-b": ["t"]},
            ["Tested, yet there is a reason not to: 1.1-b"],
            id="both",
        ),
    ],
)
def test_what_is_wrong_between_facts_and_tests_is_found(
    tests: dict[str, list[str]], problems: list[str]
) -> None:
    assert find_problems(FACTS, tests) == problems
