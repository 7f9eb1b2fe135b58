"""What came of an import, in words."""

import pytest

from ingest.domain.explanations import advise, describe_key, explain_match
from ingest.domain.imports import Matching
from ingest.domain.lookups import EMAIL, FIELD_SCAN, PHONE, SUBSCRIPTION_CHANNELS


@pytest.mark.parametrize("matching", Matching)
def test_every_mode_is_explained(matching: Matching) -> None:
    text = explain_match(
        operation="import", matching=matching, state="created", matched_by=None
    )

    assert text.endswith("No profile had the key, so a new one was made.")
    assert "a key" not in text


def test_the_key_that_found_the_profile_is_named() -> None:
    text = explain_match(
        operation="import", matching="email", state="updated", matched_by="email_sub"
    )

    assert text == (
        "Matching email searches the profile's email, then its email subscriptions. "
        "One profile was found, by the email of one of its subscriptions."
    )


def test_what_searches_nothing_found_nothing() -> None:
    text = explain_match(
        operation="add", matching="email", state="created", matched_by=None
    )

    assert text == "An add searches for no profile: it always makes a new one."


@pytest.mark.parametrize(
    ("state", "end"),
    [("rejected", "nothing was written."), ("dead", "something of ours broke.")],
)
def test_a_failure_says_what_it_left(state: str, end: str) -> None:
    text = explain_match(
        operation="import", matching="phone", state=state, matched_by=None
    )

    assert text.endswith(end)


@pytest.mark.parametrize("kind", [EMAIL, PHONE, FIELD_SCAN, *SUBSCRIPTION_CHANNELS])
def test_every_kind_of_key_has_words(kind: str) -> None:
    assert describe_key(kind) != f"the field {kind}"


def test_a_field_is_named() -> None:
    assert describe_key("field:code") == "the field code"


def test_the_advice_fits_the_fault() -> None:
    assert "Correct this value" in advise(400, "data.email")
    assert "No profile has the key" in advise(404)
    assert "Check the id" in advise(404, "db_id")
    assert "replay" in advise(500)
    assert "log" in advise(599)
