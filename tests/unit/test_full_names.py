"""Whole names, split by the order that is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.full_names import NameOrder, NameWords, SplitName, split_name
from ingest.wire.suggestions.vocabulary import load_vocabulary
from tests.table_files import read_table

pytestmark = pytest.mark.fact("FV.12-names")
LIMITED = "\N{CYRILLIC CAPITAL LETTER O}" * 3 + " «Пример»"
WORDS = NameWords(load_vocabulary().companies, load_vocabulary().patronymics)


def split(text: str, order: str = "given_first") -> tuple[str, str] | None:
    found = split_name(text, NameOrder(order), WORDS)
    return None if found is None else (found.given, found.family)


@pytest.mark.parametrize(
    ("text", "given_first", "family_first"),
    [
        ("Ada Lindqvist", ("Ada", "Lindqvist"), ("Lindqvist", "Ada")),
        ("BERG ULLA", ("BERG", "ULLA"), ("ULLA", "BERG")),
        ("Plumber", ("Plumber", ""), ("Plumber", "")),
        ("  Ada   Lindqvist ", ("Ada", "Lindqvist"), ("Lindqvist", "Ada")),
        ("J. R. R. Tolkien", ("J. R. R.", "Tolkien"), ("R. R. Tolkien", "J.")),
        ("Dr. Ada Lindqvist", ("Ada", "Lindqvist"), ("Lindqvist", "Ada")),
        (
            "Martin Luther King Jr.",
            ("Martin Luther", "King"),
            ("Luther King", "Martin"),
        ),
    ],
)
def test_a_name_is_split_by_its_order(
    text: str, given_first: tuple[str, str], family_first: tuple[str, str]
) -> None:
    assert split(text) == given_first
    assert split(text, "family_first") == family_first


@pytest.mark.parametrize("order", list(NameOrder))
@pytest.mark.parametrize(
    ("text", "given", "family"),
    [
        # A comma, and a patronymic, tell the order whatever is told.
        ("Lindqvist, Ada", "Ada", "Lindqvist"),
        ("de la Cruz, Juan", "Juan", "de la Cruz"),
        ("King, Martin Luther, Jr.", "Martin Luther", "King"),
        ("Lindqvist,", "", "Lindqvist"),
        (", Ada", "Ada", ""),
        ("Петров Иван Сергеевич", "Иван", "Петров"),
        ("Иван Сергеевич Петров", "Иван", "Петров"),
        ("Иван Сергеевич", "Иван", ""),
        ("Петров, Иван Сергеевич", "Иван", "Петров"),
        ("Ludwig van Beethoven", "Ludwig", "van Beethoven"),
        ("Ursula von der Leyen", "Ursula", "von der Leyen"),
    ],
)
def test_some_names_have_one_order_only(
    text: str, given: str, family: str, order: NameOrder
) -> None:
    assert split(text, order) == (given, family)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("von der Leyen Ursula", ("Ursula", "von der Leyen")),
        ("García y Vega María", ("María", "García y Vega")),
    ],
)
def test_particles_stay_with_a_family_name_that_is_first(
    text: str, expected: tuple[str, str]
) -> None:
    assert split(text, "family_first") == expected
    assert split("José Ortega y Gasset") == ("José", "Ortega y Gasset")


@pytest.mark.parametrize(
    "text",
    [LIMITED, "Example Ltd", "Beispiel GmbH", "Example Inc.", "Exemplo S.A."],
)
def test_a_company_is_not_split(text: str) -> None:
    assert split(text) is None


@pytest.mark.parametrize("text", ["Maria Sa", "Inc", "Anna As"])
def test_a_name_that_has_letters_of_a_company_is_none(text: str) -> None:
    assert split(text) is not None


PARTS = st.text("abcdefghijklmnop", min_size=2, max_size=8).map(str.title)


@given(given=PARTS, family=PARTS)
def test_the_parts_of_a_name_come_back(given: str, family: str) -> None:
    expected = SplitName(given, family)
    orders = {
        NameOrder.GIVEN_FIRST: f"{given} {family}",
        NameOrder.FAMILY_FIRST: f"{family} {given}",
        NameOrder.COMMA: f"{family}, {given}",
    }

    for order, text in orders.items():
        found = split_name(text, order, WORDS)
        # Some letters make a form of a company, or a title.
        if found is not None and len(found.given.split()) == 1 and found.family:
            assert found == expected


def test_no_part_of_a_name_is_lost_but_titles() -> None:
    found = split_name("Maria José García López", NameOrder.GIVEN_FIRST, WORDS)

    assert found == SplitName("Maria José García", "López")


def test_a_column_of_whole_names_fills_both_fields() -> None:
    name = "Петров Иван Сергеевич"
    table = read_table(
        f"Name,email\n{name},a@b.c\n{LIMITED},d@e.f\n",
        mapping={"Name": "full_name:family_first"},
    )

    assert table.data == [
        {"_fname": "Иван", "_lname": "Петров", "email": "a@b.c"},
        {"email": "d@e.f"},
    ]
    assert table.notes == [
        "Name: 1 company, not split into names",
        "Name: 1 patronymic, not stored",
    ]


def test_a_part_that_has_a_column_of_its_own_is_that() -> None:
    table = read_table(
        "_fname,Name\nAda,Augusta King\n", mapping={"Name": "full_name:given_first"}
    )

    assert table.data == [{"_fname": "Ada", "_lname": "King"}]
