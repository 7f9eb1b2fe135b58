"""Suggestions for the columns of files of other systems (R1 to R10).

The bar: a column is certain and right, or it is a question; none is wrong, and no
column of consent is lost.
"""

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidRequest
from ingest.wire.columns import is_contact
from ingest.wire.file_maps import load_file_map
from ingest.wire.suggestions.guesses import ColumnGuess
from ingest.wire.suggestions.proposals import propose
from ingest.wire.suggestions.suggested_files import Proposal, Sample
from ingest.wire.suggestions.views import show_proposal, write_map, write_maps
from tests.suggesting import Export, list_exports, list_others, load_demo_database

DATABASE = load_demo_database()
_EXPORTS = {one.name: one for one in list_exports()}
_REFUSED = "telegram-members.csv"
_TAGS = "interests"


def _suggest(text: str, name: str = "people.csv", **fields: Field) -> Proposal:
    """Return what is suggested for a table with `,` between its cells."""
    header, *rows = [line.split(",") for line in text.strip().splitlines()]
    database = DATABASE
    if fields:
        database = type(DATABASE)(
            id=1,
            name="Others",
            account_id=1,
            default_resource_id=1,
            fields={**DATABASE.fields, **fields},
        )
    return propose(Sample(file_name=name, header=header, rows=rows), database)


def _find(proposal: Proposal, name: str) -> ColumnGuess:
    (found,) = [one for one in proposal.guesses if one.column.name == name]
    return found


def _judge(guess: ColumnGuess, expected: str) -> str:
    """Return whether a guess is what `expected.json` says: right, asked, or wrong."""
    if not guess.certain:
        return "asked"
    parts = (guess.target or "").split("+")
    if not guess.target:
        is_none = expected.startswith(("custom", "skip", "1 = do not"))
        return (
            "right" if is_none or "unless its Label is a fax" in expected else "wrong"
        )
    meant = re.match(r"[a-z_]+", expected)
    word = meant[0] if meant else ""
    if word in ("status", "sms"):
        is_right = any(one.endswith(".status") for one in parts)
    elif word == "consent":
        is_right = any(one.endswith((".time", ".status")) for one in parts)
    else:
        is_right = (_TAGS if word == "tags" else word) in parts
    return "right" if is_right else "wrong"


@pytest.mark.parametrize(
    "export",
    [one for one in _EXPORTS.values() if one.name != _REFUSED],
    ids=lambda one: one.name,
)
@pytest.mark.fact("FR.2-right")
def test_a_column_is_right_or_a_question(export: Export) -> None:
    proposal = export.propose()

    wrong = [
        (one.column.name, one.target, export.columns[one.column.name])
        for one in proposal.guesses
        if one.column.name in export.columns
        and _judge(one, export.columns[one.column.name]) == "wrong"
    ]
    assert wrong == []


def test_most_columns_are_certain() -> None:
    judged = [
        _judge(guess, export.columns[guess.column.name])
        for export in _EXPORTS.values()
        if export.name != _REFUSED
        for guess in export.propose().guesses
        if guess.column.name in export.columns
    ]

    assert judged.count("right") >= 0.9 * len(judged)


@pytest.mark.parametrize("other", [*list_others()], ids=lambda one: one.name)
@pytest.mark.fact("FR.2-unseen")
def test_files_of_unknown_systems_are_read_as_well(other: Export) -> None:
    wrong = []
    for guess, (name, expected) in zip(
        other.propose().guesses, other.columns.items(), strict=True
    ):
        target = guess.target or ""
        allowed = {"": [""], "ask": [""], "full_name": [""], "tags": [_TAGS]}
        listed = allowed.get(expected, [expected])
        if expected == "consent":
            is_right = "_sub" in target
        else:
            is_right = any(one in listed for one in target.split("+"))
        if guess.certain and not is_right:
            wrong.append((name, target, expected))

    assert wrong == []


@pytest.mark.fact("FR.2-unseen")
def test_most_columns_of_unknown_systems_are_certain() -> None:
    certain = [
        guess.certain for other in list_others() for guess in other.propose().guesses
    ]

    assert sum(certain) >= 0.8 * len(certain)


@pytest.mark.parametrize(
    "export",
    [*(one for one in _EXPORTS.values() if one.name != _REFUSED), *list_others()],
    ids=lambda one: one.name,
)
@pytest.mark.fact("FR.1-map")
def test_a_map_file_is_the_suggestion_and_its_questions(export: Export) -> None:
    proposal = export.propose()

    text = write_map(proposal, "penstock import people.csv")

    assert load_file_map(text) == proposal.file_map
    for question in proposal.questions:
        assert len(question.choices) >= 1
        assert text.count(question.column) >= 2


@pytest.mark.parametrize(
    "export",
    [*(one for one in _EXPORTS.values() if one.name != _REFUSED), *list_others()],
    ids=lambda one: one.name,
)
@pytest.mark.fact("FR.1-map")
def test_each_answer_is_one_line(export: Export) -> None:
    """Every line of every question makes a map file when its # is removed."""
    text = write_map(export.propose(), "penstock import people.csv")

    lines = text.splitlines()
    answers = [
        place for place, line in enumerate(lines) if re.match(r"# \S.* = ", line)
    ]
    for place in answers:
        answered = [*lines]
        answered[place] = lines[place].removeprefix("# ")
        load_file_map("\n".join(answered))


def test_a_map_file_of_an_archive_has_a_table_for_each_of_its_files() -> None:
    proposals = {
        name: one.propose()
        for name, one in _EXPORTS.items()
        if name.startswith("mailchimp")
    }

    loaded = load_file_map(write_maps(proposals, "penstock import audience.zip"))

    assert {name: one.options["status"] for name, one in loaded.files.items()} == {
        name: name.partition("-")[2].partition("_")[0].replace("cleaned", "hardbounced")
        for name in proposals
    }


def test_what_is_accepted_leaves_every_question_out() -> None:
    proposal = _EXPORTS["outlook-contacts.csv"].propose()

    accepted = proposal.accepted.columns

    assert accepted["Birthday"] == accepted["E-mail 2 Address"] == ""
    assert accepted["E-mail Address"] == "email"
    assert set(accepted) == set(_EXPORTS["outlook-contacts.csv"].header)


@pytest.mark.fact("FR.14-systems")
def test_members_of_a_chat_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="Telegram"):
        _EXPORTS[_REFUSED].propose()


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("subscribed_email_audience_export_1.csv", "subscribed"),
        ("nonsubscribed_email_audience_export_1.csv", None),
        ("people.csv", None),
    ],
)
@pytest.mark.fact("FR.14-systems")
def test_only_the_name_of_a_file_tells_who_is_subscribed(
    name: str, status: str | None
) -> None:
    export = _EXPORTS["mailchimp-subscribed_email_audience_export_0a1b2c3d4e.csv"]
    sample = Sample(file_name=name, header=export.header, rows=export.rows)

    proposal = propose(sample, DATABASE)

    assert proposal.file_map.options.get("status") == status
    asked = _find(proposal, "Email Address").choices
    assert bool(asked) is (name == "people.csv")


@pytest.mark.parametrize("name", ["nonsubscribed_1.csv", "people.csv"])
def test_a_basis_needs_a_status(name: str) -> None:
    export = _EXPORTS["mailchimp-subscribed_email_audience_export_0a1b2c3d4e.csv"]
    sample = Sample(file_name=name, header=export.header, rows=export.rows)

    accepted = propose(sample, DATABASE).accepted

    assert accepted.first_of == {}
    assert accepted.columns["Email Address"] == "email"
    assert not any("_sub" in target for target in accepted.columns.values())


def test_the_opt_outs_of_a_list_of_phones_are_of_phones() -> None:
    proposal = _suggest("Phone,Unsubscribed\n+12025550101,yes\n+12025550102,no")

    assert _find(proposal, "Unsubscribed").target == "phone_sub.status"
    assert _find(proposal, "Phone").target == "phones+phone_sub"
    assert proposal.file_map.options["matching"] == "phone"


def test_a_first_row_of_data_is_no_header() -> None:
    with pytest.raises(InvalidRequest, match="looks like data"):
        _suggest("ada@example.com,Ada\nbob@example.com,Bob")


@pytest.mark.fact("FR.3-neighbors")
def test_a_family_name_beside_makes_a_name_the_given_one() -> None:
    proposal = _suggest("Name,Surname,Email\nAda,Berg,a@example.com")

    assert _find(proposal, "Name").target == "_fname"


@pytest.mark.fact("FR.5-names")
def test_a_whole_name_is_never_split_in_silence() -> None:
    proposal = _suggest("Name,Email\nAda Berg,a@example.com")

    choices = [one.target for one in _find(proposal, "Name").choices]
    assert "full_name:given_first" in choices
    assert choices[-1] == ""


def test_patronymics_tell_that_the_family_name_is_first() -> None:
    proposal = _suggest("ФИО,Email\nPetrov Ivan Sergeevich,a@example.com")

    assert _find(proposal, "ФИО").choices[0].target == "full_name:family_first"


@pytest.mark.fact("FR.5-names")
def test_a_whole_name_beside_its_parts_is_left_out() -> None:
    proposal = _suggest("First Name,Last Name,Full Name\nAda,Berg,Ada Berg")

    assert _find(proposal, "Full Name").target == ""
    assert _find(proposal, "Full Name").certain


@pytest.mark.fact("FR.2-contradicted")
def test_a_header_that_its_cells_contradict_is_asked_about() -> None:
    proposal = _suggest(
        "Phone,Email\n2023-02-01,a@example.com\n2023-02-02,b@example.com"
    )

    found = _find(proposal, "Phone")
    assert not found.certain
    assert "0% of the values fit" in found.why


@pytest.mark.fact("FR.2-contradicted")
def test_emails_without_a_known_header_are_asked_about() -> None:
    proposal = _suggest("X7,City\na@example.com,Berlin\nb@example.com,Rome")

    assert [one.target for one in _find(proposal, "X7").choices] == ["email", ""]


@pytest.mark.fact("FR.6-second")
def test_a_second_address_makes_no_second_profile() -> None:
    proposal = _suggest("Email,Email 2\na@example.com,b@example.com")

    choices = [one.target for one in _find(proposal, "Email 2").choices]
    assert choices == ["custom_field", ""]


@pytest.mark.fact("FR.8-found")
def test_an_opt_out_forbids_and_never_permits() -> None:
    proposal = _suggest("Email,Opted Out\na@example.com,yes\nb@example.com,no")

    assert _find(proposal, "Opted Out").target == "email_sub.status"
    assert _find(proposal, "Email").target == "email+email_sub"
    assert proposal.file_map.words["Opted Out"] == {"false": "", "*": "unsubscribed"}


def test_a_permission_is_asked_about() -> None:
    proposal = _suggest("Email,Newsletter\na@example.com,yes\nb@example.com,no")

    assert not _find(proposal, "Newsletter").certain
    assert _find(proposal, "Email").target == "email"


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("suppression_bounces.csv", "hardbounced"),
        ("Unsubscribed contacts.csv", "unsubscribed"),
        ("spam-reports.csv", "complained"),
        ("subscribers.csv", None),
    ],
)
def test_a_list_of_opt_outs_is_found_by_its_name(name: str, status: str | None) -> None:
    proposal = _suggest("Email,Created\na@example.com,2024-05-04", name)

    email = _find(proposal, "Email")
    assert email.certain is (status is None)
    assert email.words == ({"*": status} if status else {})
    # Without an answer, it forbids.
    accepted = proposal.accepted.columns["Email"]
    assert accepted == ("email+email_sub.status" if status else "email")


def test_without_an_answer_what_may_forbid_does() -> None:
    proposal = _suggest(
        "Email,Status,Bounces\na@example.com,subscribed,0\nb@example.com,subscribed,3"
    )

    assert not _find(proposal, "Bounces").certain
    assert proposal.accepted.columns["Bounces"] == "email_sub.status"
    assert proposal.accepted.words["Bounces"] == {"false": "", "*": "hardbounced"}


def test_the_unclear_time_of_an_opt_out_loses_no_opt_out() -> None:
    proposal = _suggest("Email,Opt Out Date\na@example.com,4/5/2024")

    assert _find(proposal, "Opt Out Date").target == "email_sub.status"
    assert proposal.questions == ()


@pytest.mark.parametrize("header", ["Abmeldedatum", "Fecha de baja", "Дата отписки"])
def test_the_time_of_an_opt_out_is_one(header: str) -> None:
    proposal = _suggest(f"Email,{header}\na@example.com,\nb@example.com,2024-05-04")

    assert _find(proposal, header).target == "email_sub.status+email_sub.time"


@pytest.mark.fact("FR.3-neighbors")
def test_statuses_of_something_else_are_no_consent() -> None:
    proposal = _suggest("Email,Status\na@example.com,active\nb@example.com,canceled")

    found = _find(proposal, "Status")
    assert found.certain
    assert found.target is None


def test_words_that_nobody_knows_are_asked_about() -> None:
    text = "Email,Status\na@example.com,subscribed\nb@example.com,VIP-only\n"

    found = _find(_suggest(text), "Status")
    assert not found.certain
    assert "'vip only'" in found.why


def test_rows_without_an_email_are_matched_by_phone() -> None:
    proposal = _suggest("Email,Phone\na@example.com,\n,+12025550101")

    assert proposal.file_map.options["matching"] == "email_else_phone"


def test_dates_that_one_cell_decides_have_their_order() -> None:
    proposal = _suggest(
        "Email,Birthday\na@example.com,5/17/1990\nb@example.com,1/2/1990"
    )

    assert proposal.file_map.dates == {"Birthday": ("month-first",)}


def test_dates_that_no_cell_decides_are_asked_about() -> None:
    proposal = _suggest("Email,Birthday\na@example.com,5/7/1990")

    (question,) = proposal.questions
    assert question.table == "dates"
    assert [one.target for one in question.choices] == ["day-first", "month-first"]


def test_a_field_of_the_database_is_found_by_its_title() -> None:
    field = Field(name="shoe", type=FieldType.INT, title="Shoe size")

    proposal = _suggest("Email,Shoe Size\na@example.com,42", shoe=field)

    assert _find(proposal, "Shoe Size").target == "shoe"


def test_leading_zeros_are_no_number() -> None:
    field = Field(name="card", type=FieldType.INT, title="Card")

    proposal = _suggest("Email,Card\na@example.com,000123", card=field)

    assert not _find(proposal, "Card").certain


@pytest.mark.parametrize(
    "header",
    [
        "Assistant's Phone",
        "Home Fax",
        "Spouse",
        "Password",
        "Card Last4",
        "Owner Email",
    ],
)
@pytest.mark.fact("FR.10-left-out")
def test_what_is_not_the_persons_is_left_out_with_the_reason(header: str) -> None:
    proposal = _suggest(f"Email,{header}\na@example.com,+12025550109")

    found = _find(proposal, header)
    assert found.target == ""
    assert found.certain
    assert found.why


def test_json_shows_each_column_and_each_question() -> None:
    shown = show_proposal(_EXPORTS["outlook-contacts.csv"].propose())

    assert shown["system"] == "outlook"
    assert shown["columns"][0] == {
        "name": "First Name",
        "target": "_fname",
        "certain": True,
        "why": "its name",
        "samples": ["Ada", "Zoë"],
    }
    assert [one["column"] for one in shown["questions"]] == [
        "Birthday",
        "E-mail 2 Address",
        "E-mail 3 Address",
        "Business City",
    ]


_CELLS = st.text(max_size=12)


@settings(deadline=None)
@given(
    st.lists(_CELLS, min_size=1, max_size=6, unique=True),
    st.lists(st.lists(_CELLS, max_size=7), max_size=4),
)
def test_any_table_has_a_suggestion_that_is_a_map_file(
    header: list[str], rows: list[list[str]]
) -> None:
    # What looks like a contact is no header.
    assume(not any(is_contact(name.strip()) for name in header))
    sample = Sample(file_name="people.csv", header=header, rows=rows)

    proposal = propose(sample, DATABASE)

    assert len(proposal.guesses) == len(header)
    text = write_map(proposal, "penstock import people.csv")
    assert load_file_map(text) == proposal.file_map
