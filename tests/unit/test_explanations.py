"""How an import found its profile, in words."""

import pytest

from ingest.domain.explanations import describe_key, explain_match
from ingest.domain.imports import Matching
from ingest.domain.lookups import EMAIL, FIELD_SCAN, PHONE, SUBSCRIPTION_CHANNELS


@pytest.mark.parametrize("matching", Matching)
def test_every_mode_is_explained(matching: Matching) -> None:
    text = explain_match(
        operation="import", matching=matching, state="created", matched_by=None
    )

    assert text.endswith("No profile had the key, so a new one was created.")
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

    assert text == "`add` does not match: it always creates a profile."


@pytest.mark.parametrize(
    ("state", "end"),
    [("rejected", "nothing was written."), ("dead", "failed with an internal error.")],
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
