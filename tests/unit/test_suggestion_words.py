"""The words of other systems: names of columns, and words in cells."""

import tomllib
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.fields import SYSTEM_FIELDS
from ingest.domain.statuses import STATUSES
from ingest.wire.suggestions.usual_names import find_usual_field
from ingest.wire.suggestions.vocabulary import (
    NOBODY_AGREED,
    find_boolean,
    find_sex,
    find_status,
    is_empty_word,
    load_vocabulary,
    normalize,
    normalize_word,
)

#: Compared as they stand, not in their normal form.
_AS_THEY_STAND = "empty_words"


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("First Name", "first name"),
        ("firstName", "first name"),
        ("FIRST_NAME", "first name"),
        ("E-mail 1 - Value", "e mail 1 value"),
        ("ДатаРождения", "дата рождения"),
        ("IPAddress", "ip address"),
        ("\ufeffPrénom", "prenom"),
        ("Stra\u00adße", "strasse"),
        ("Край, ёлка", "край елка"),
        ("HasOptedOutOfEmail", "has opted out of email"),
        ("\uff25mail", "email"),
        ("Как вас зовут?", "как вас зовут"),
        ("_-_", ""),
    ],
)
def test_names_have_a_normal_form(name: str, form: str) -> None:
    assert normalize(name) == form


@given(st.text(max_size=60))
def test_a_normal_form_is_its_own(name: str) -> None:
    form = normalize(name)

    assert normalize(form) == form


@given(st.text(max_size=40))
def test_case_and_gaps_do_not_count(name: str) -> None:
    assert normalize(f" _{name}- ") == normalize(name)


def test_every_word_is_in_its_normal_form() -> None:
    source = files("ingest.wire.suggestions").joinpath("synonyms.toml")
    table = tomllib.loads(source.read_text("utf-8"))
    del table[_AS_THEY_STAND]

    assert [word for word in _list_words(table) if normalize_word(word) != word] == []


def _list_words(table: Any) -> list[str]:
    if isinstance(table, dict):
        return [word for each in table.values() for word in _list_words(each)]
    return table if isinstance(table, list) else []


def test_fields_are_those_of_a_profile() -> None:
    others = {"email", "phones", "tags", "full_name"}

    assert set(load_vocabulary().fields.values()) <= set(SYSTEM_FIELDS) | others


def test_statuses_are_those_of_the_contract() -> None:
    found = set(load_vocabulary().statuses.values())

    assert found <= {*STATUSES, NOBODY_AGREED}


@pytest.mark.parametrize(
    ("cell", "status"),
    [
        ("cleaned", "hardbounced"),
        ("Never Subscribed", NOBODY_AGREED),
        ("UNSUBSCRIBED", "unsubscribed"),
        ("non-subscribed", NOBODY_AGREED),
        ("Inactive", "suspended"),
        ("Отписан", "unsubscribed"),
        ("désabonné", "unsubscribed"),
        ("junk", "complained"),
        ("VIP-only", None),
        ("", None),
    ],
)
def test_words_of_statuses_are_compared_whole(cell: str, status: str | None) -> None:
    assert find_status(cell) == status


@pytest.mark.parametrize(
    ("cell", "flag"),
    [
        ("Да", True),
        ("✓", True),
        ("-", False),
        ("Sí", True),
        ("Ложь", False),
        ("2", None),
    ],
)
def test_yes_and_no_are_known_in_many_languages(cell: str, flag: bool | None) -> None:
    assert find_boolean(cell) is flag


@pytest.mark.parametrize(
    ("cell", "sex"),
    [("Женщина", "female"), ("Herr", "male"), ("Divers", ""), ("Dr.", None)],
)
def test_sexes_are_known_by_words_and_by_forms_of_address(
    cell: str, sex: str | None
) -> None:
    assert find_sex(cell) == sex


def test_a_word_for_nothing_is_empty() -> None:
    assert is_empty_word(" N/A ")
    assert is_empty_word("0/0/00")
    assert not is_empty_word("0")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Email Address", "email"),
        ("first_name", "_fname"),
        ("Vorname", "_fname"),
        ("zipcode", "_postal_code"),
        ("state", "_region"),
        ("Gender", "_sex"),
        ("First Name", "_fname"),
        ("Phone Number", "phones"),
        ("name", ""),
        ("Description", ""),
        ("Date", ""),
        ("Status", ""),
        ("Unsubscribed", ""),
        ("Spouse", ""),
        ("email 2", ""),
    ],
)
@pytest.mark.fact("FR.2-hints")
def test_a_hint_names_no_field_of_another_kind(name: str, field: str) -> None:
    assert find_usual_field(normalize(name)) == field
