"""What an operator types is read as matching reads it."""

from uuid import UUID

import pytest

from ingest.domain.lookups import Lookup
from ingest.domain.terms import Term, read_term

IMPORT_ID = "01a20b4f-1cd3-744b-9db7-53600be31cb2"


@pytest.mark.parametrize(
    ("text", "region", "lookups"),
    [
        pytest.param(" Ada@Example.COM ", None, "email ada@example.com", id="email"),
        pytest.param("+44 (0)20 7946 0018", None, "phone +442079460018", id="phone"),
        pytest.param("44 2079460018", None, "phone +442079460018", id="without a plus"),
        pytest.param("020 7946 0018", "GB", "phone +442079460018", id="of a region"),
        pytest.param("+44 20 7946 0018", "RU", "phone +442079460018", id="of another"),
    ],
)
def test_a_contact_is_looked_for_in_profiles_and_subscriptions(
    text: str, region: str | None, lookups: str
) -> None:
    kind, value = lookups.split()

    assert read_term(text).list_lookups(region) == [
        Lookup(kind, value),
        Lookup(f"{kind}_sub", value),
    ]


def test_ids_are_known_by_their_form() -> None:
    assert read_term(IMPORT_ID.upper()).import_id == UUID(IMPORT_ID)
    assert read_term("54759EB3C090D83494E2D804").profile_id == (
        "54759eb3c090d83494e2d804"
    )


def test_anything_else_may_be_a_feedback_id_only() -> None:
    assert read_term(" order-7 ") == Term(text="order-7")


def test_digits_may_be_a_phone_and_a_profile_id() -> None:
    term = read_term("1" * 24)

    assert term.profile_id == "1" * 24
    assert term.list_lookups(None) == []


@pytest.mark.parametrize("text", ["44 20 7946 0018", "020 7946 0018"])
def test_what_is_no_number_of_the_region_is_looked_for_nowhere(text: str) -> None:
    assert read_term(text).list_lookups("RU") == []
