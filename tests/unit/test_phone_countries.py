"""Countries that are offered for phones without a country code (V4)."""

import pytest

from ingest.wire.suggestions.phone_countries import list_countries


@pytest.mark.parametrize(
    ("phones", "first"),
    [
        (["8 900 123-45-67", "8 (495) 123-45-67"], "RU"),
        (["(202) 456-1111"], "US"),
        (["030 23125011", "0170 1234567"], "DE"),
        (["020 7946 0018"], "GB"),
    ],
)
def test_the_country_whose_phones_these_are_comes_first(
    phones: list[str], first: str
) -> None:
    assert list_countries(phones)[0] == first


def test_others_that_have_such_phones_are_offered_too() -> None:
    assert "FR" in list_countries(["06 12 34 56 78"])


def test_nothing_is_offered_for_what_no_country_has() -> None:
    assert list_countries(["12"]) == []
