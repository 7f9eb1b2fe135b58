"""What the demo shows, and that it fails when anything is not as it should be."""

from dataclasses import replace
from typing import Any

import pytest

from ingest.commands.demo import DemoFailed, conclude
from ingest.commands.demo_crash import IMPORTS, PEOPLE, CrashReport, check_counts
from ingest.commands.demo_display import describe_request, list_changes
from ingest.commands.demo_steps import STEPS, check_answer, check_profile
from ingest.commands.outputs import make_console

GOOD = CrashReport(
    accepted=IMPORTS,
    applied_at_kill=200,
    applied=IMPORTS,
    points=IMPORTS,
    in_order=PEOPLE,
)


def test_counts_that_agree_are_no_fault() -> None:
    assert list(check_counts(GOOD)) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            {"accepted": 2999}, "3000 imports were sent and 2999 acc", id="all"
        ),
        pytest.param({"applied_at_kill": 3000}, "nothing waited", id="too late"),
        pytest.param({"applied": 2999}, "3000 imports were acc", id="one lost"),
        pytest.param({"points": 3001}, "3001 points added", id="one twice"),
        pytest.param({"in_order": 49}, "of 50 people 49 have", id="out of order"),
    ],
)
def test_each_count_that_differs_is_named(changes: dict[str, int], said: str) -> None:
    assert any(said in fault for fault in check_counts(replace(GOOD, **changes)))


def test_one_fault_is_enough_to_fail(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DemoFailed, match="1 of the demo's checks failed"):
        conclude(make_console(), ["points is 1, should be 2"])

    assert "✗ points is 1, should be 2" in capsys.readouterr().out


def test_without_a_fault_it_says_that_all_is_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    conclude(make_console(), [])

    assert capsys.readouterr().out.startswith("✓ every answer, profile, and count")


def test_a_profile_that_differs_or_lacks_is_named() -> None:
    create, refused = STEPS[0], STEPS[3]

    assert list(check_profile(create, {**create.expected, "points": 9})) == [
        "create.json: points is 9, should be 10"
    ]
    assert "create.json: the profile should exist" in check_profile(create, None)
    assert list(check_profile(refused, {"points": 1})) == [
        "error.json: the profile should not exist"
    ]
    assert list(check_answer(refused, '{"error":0}')) == [
        "error.json: expected 400 in the answer",
        "error.json: expected Must be an integer: data.points in the answer",
    ]


ADA: dict[str, Any] = {"id": "6b", "points": 10, "phones": [], "tags": ["a", "b"]}


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(ADA, ADA, [], id="nothing"),
        pytest.param(None, None, [], id="no profile"),
        pytest.param(
            None, ADA, ["points  none → 10", "tags    none → a, b"], id="created"
        ),
        pytest.param(
            ADA, {**ADA, "points": None}, ["points  10 → none"], id="taken away"
        ),
        pytest.param(
            {**ADA, "subscriptions": ["1/email subscribed", "1/sms subscribed"]},
            {**ADA, "subscriptions": ["1/email unsubscribed", "1/sms subscribed"]},
            ["email (resource 1)  subscribed → unsubscribed"],
            id="a subscription",
        ),
    ],
)
def test_each_field_that_changed_is_shown_old_and_new(
    before: dict[str, Any] | None, after: dict[str, Any] | None, lines: list[str]
) -> None:
    assert list(list_changes(before, after)) == lines


@pytest.mark.parametrize(("count", "last"), [(5, "f4"), (6, "… and 2 more")])
def test_of_many_changes_the_expected_come_first_and_the_rest_is_counted(
    count: int, last: str
) -> None:
    after = {f"f{number}": number for number in range(count)}

    lines = list(list_changes({}, after, ["f3"]))

    assert len(lines) == 5
    assert lines[0] == "f3  none → 3"
    assert lines[-1].startswith(last)


def test_a_request_fits_a_line() -> None:
    assert describe_request("/x", "<xml>\n  <a>1</a>\n</xml>\n") == (
        "→ POST /x  <xml><a>1</a></xml>"
    )
    long = describe_request("/x", '{"a": "' + "b" * 200 + '"}')
    assert len(long) == 76
    assert long.endswith("bb …")
