"""Conditions as lines that a person reads."""

from random import Random
from typing import Any

import pytest

from ingest.domain.condition_parser import parse_condition
from ingest.domain.condition_texts import explain_condition
from ingest.domain.conditions import iterate_leaves
from tests.conditions import SCOPE, make_condition

NAMES = {2: "Regulars"}


def explain(filter_: Any) -> list[str]:
    condition = parse_condition(filter_, SCOPE, "filter")
    return [
        "  " * line.depth + line.text for line in explain_condition(condition, NAMES)
    ]


@pytest.mark.parametrize(
    ("filter_", "lines"),
    [
        pytest.param(
            {"field": "f_int", "ge": 1, "lt": 5},
            ["f_int is at least 1 and is less than 5"],
            id="two operators",
        ),
        pytest.param({"field": "f_bool", "eq": False}, ["f_bool is false"], id="bool"),
        pytest.param(
            {"field": "f_tags", "has_any": ["a", "b"]},
            ["f_tags has any of a, b"],
            id="tags",
        ),
        pytest.param(
            {"field": "f_date", "birthday": 0},
            ["f_date has an anniversary today"],
            id="today",
        ),
        pytest.param(
            {"field": "f_date", "birthday": 7},
            ["f_date has an anniversary today or in the next 7 days"],
            id="birthday",
        ),
        pytest.param(
            {"field": "email", "exists": False}, ["email does not exist"], id="exists"
        ),
        pytest.param({"segment": 2}, ["is in segment 2 Regulars"], id="segment"),
        pytest.param(
            {"subscription": {}}, ["has a subscription"], id="any subscription"
        ),
        pytest.param(
            {
                "all": [
                    {"field": "f_int", "eq": 1},
                    {
                        "not": {
                            "any": [{"segment": 2}, {"field": "f_date", "older": "30d"}]
                        }
                    },
                ]
            },
            [
                "all of:",
                "  f_int is 1",
                "  not:",
                "    at least one of:",
                "      is in segment 2 Regulars",
                "      f_date is at least 30d ago",
            ],
            id="a tree",
        ),
    ],
)
def test_a_condition_is_written_in_words(filter_: Any, lines: list[str]) -> None:
    assert explain(filter_) == lines


def test_every_test_of_a_condition_has_a_line() -> None:
    random = Random(7)
    for _ in range(300):
        _, condition = make_condition(random)
        lines = list(explain_condition(condition, NAMES))

        assert lines[0].depth == 0
        assert len(lines) >= len(list(iterate_leaves(condition)))
        assert all(line.text.strip() for line in lines)
