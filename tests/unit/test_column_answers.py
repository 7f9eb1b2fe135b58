"""Answers about the columns of a file: those of a suggestion, and those of a person."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.wire.column_answers import (
    begin_answers,
    list_columns,
    load_answers,
    name_columns,
    place_faults,
    read_answers,
)
from ingest.wire.column_views import view_columns
from ingest.wire.file_maps import to_parameters
from ingest.wire.suggestions.proposals import propose
from ingest.wire.suggestions.suggested_files import Proposal, Sample
from tests.suggesting import load_demo_database

DATABASE = load_demo_database()
HEADER = ["E-mail", "Work email", "First name", "Birthday", "Status", "Notes"]
ROWS = [
    ["ada@example.com", "", "Ada", "02.09.1963", "active", "x"],
    ["bo@example.com", "bo@example.org", "Bo", "17.12.1981", "gone", ""],
]
#: Names of columns as people write them, some of which mean something.
NAMES = st.lists(
    st.sampled_from([*HEADER, "Phone", "Mobile", "", "penstock_row", "City", "a,b"])
    | st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12),
    min_size=1,
    max_size=12,
)


def suggest(header: list[str], rows: list[list[str]]) -> Proposal:
    return propose(Sample(file_name="a.csv", header=header, rows=rows), DATABASE)


@pytest.mark.fact("FR.1-answers")
@given(NAMES)
def test_a_form_that_nobody_changed_says_the_suggestion(header: list[str]) -> None:
    try:
        proposal = suggest(header, [["" for _ in header]])
    except InvalidRequest:
        # A file that must not be imported.
        return
    answered = read_answers(begin_answers(header, proposal), header, proposal)

    wanted = to_parameters(proposal.file_map)
    targets = {
        name: target
        for name, target in (wanted.get("map") or {}).items()
        if target and not name.lower().startswith("penstock_")
    }
    said = {
        name: target for name, target in answered.parameters["map"].items() if target
    }
    assert said == targets
    # Every column is either asked about, mapped, or left out.
    asked = {one.column.place for one in proposal.guesses if one.choices}
    assert set(answered.faults) <= asked
    loaded = load_answers(
        answered.parameters, name="a.csv", database_id=1, dry_run=False
    )
    assert loaded.new_map


@pytest.mark.fact("FR.1-answers")
def test_an_answer_replaces_one_option() -> None:
    proposal = suggest(HEADER, ROWS)
    begun = begin_answers(HEADER, proposal)
    answers = {
        **begun,
        "target.1": "-",
        "target.4": "email_sub.status",
        "word.4.gone": "unsubscribed",
        "target.5": "custom_field",
        "phone_region": "GB",
        "null": "n/a, -",
    }

    answered = read_answers(answers, HEADER, proposal)

    assert answered.faults == {}
    told = load_answers(answered.parameters, name="a.csv", database_id=1, dry_run=True)
    assert told.dry_run
    parameters: Any = told.parameters
    assert parameters["map"]["Work email"] == ""
    assert parameters["map"]["Notes"] == "custom_field"
    assert parameters["words"]["Status"]["gone"] == "unsubscribed"
    assert parameters["phone_region"] == "GB"
    assert parameters["null"] == ["n/a", "-"]


def test_a_missing_answer_is_told_at_its_column() -> None:
    header, rows = ["E-mail", "Seen"], [["ada@example.com", "03/04/2020"]]
    proposal = suggest(header, rows)
    answers = {**begin_answers(header, proposal), "target.1": "_regdate"}
    views = view_columns(header, proposal, DATABASE, answers, {1: "Wrong."})

    assert views[1].fault == "Wrong."
    (reading,) = views[1].readings
    labels = [one.label for one in reading.choices]
    assert labels[0] == "Choose…"
    assert "Day first: 03/04/2020 is 3 Apr 2020" in labels
    assert "Month first: 03/04/2020 is 4 Mar 2020" in labels


def test_columns_without_names_are_those_of_a_spreadsheet() -> None:
    assert name_columns(3) == ["A", "B", "C"]
    assert name_columns(703)[25:28] == ["Z", "AA", "AB"]
    assert name_columns(703)[-1] == "AAA"


def test_a_name_that_comes_again_has_no_answer_of_its_own() -> None:
    listed = list(list_columns(["a", " a ", "", "penstock_row", "b"]))

    assert listed == [(0, "a"), (4, "b")]


def test_a_fault_is_placed_by_the_column_that_it_names() -> None:
    error = InvalidRequest("The dates of 'Seen' may be day first or month first")
    other = InvalidRequest("Unknown time zone", "timezone")

    assert place_faults(error, ["E-mail", "Seen"])[0].keys() == {1}
    assert place_faults(other, ["E-mail"])[0] == {}
    assert len(place_faults(other, ["E-mail"])[1]) == 1
