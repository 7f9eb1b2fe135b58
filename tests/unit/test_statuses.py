"""Subscription statuses by word and number (contract 6.3)."""

import pytest

from ingest.domain.errors import InvalidValue
from ingest.domain.statuses import STATUSES, parse_status


@pytest.mark.fact("6.3-words")
def test_words_stand_for_the_numbers_of_the_contract() -> None:
    assert STATUSES == {
        "subscribed": 0,
        "unsubscribed": 1,
        "complained": 2,
        "hardbounced": 3,
        "unconfirmed": 4,
        "suspended": 5,
        "invalid": 6,
    }


@pytest.mark.fact("6.3-words")
@pytest.mark.parametrize("word", STATUSES)
def test_a_status_is_sent_as_word_number_or_digits(word: str) -> None:
    number = STATUSES[word]

    assert parse_status(word) == word
    assert parse_status(number) == word
    assert parse_status(f" {number} ") == word
    assert parse_status(word.upper()) == word


@pytest.mark.parametrize("raw", [-1, "-1"], ids=["number", "text"])
def test_minus_one_leaves_the_status(raw: object) -> None:
    assert parse_status(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(7, id="a number past the last"),
        pytest.param(-2, id="a number before the first"),
        pytest.param("paused", id="another word"),
        pytest.param("", id="empty text"),
        pytest.param(True, id="true is not 1"),
        pytest.param(False, id="false is not 0"),
        pytest.param(1.0, id="a float"),
        pytest.param(None, id="null"),
        pytest.param(["subscribed"], id="a list"),
        pytest.param({"action": "unset"}, id="a function"),
        pytest.param("\uff11", id="a digit of another script"),
    ],
)
def test_anything_else_is_an_unknown_status(raw: object) -> None:
    with pytest.raises(InvalidValue, match="Unknown status"):
        parse_status(raw)
