"""Map files: read, written, and joined with options (FR7)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.errors import InvalidRequest
from ingest.wire.file_maps import (
    OPTIONS,
    FileMap,
    dump_file_map,
    join_parameters,
    load_file_map,
    to_parameters,
)
from ingest.wire.targets import join_columns, split_columns

TEXT = """
# Written by penstock import --suggest
system = "shopify"
matching = "email"
status = "unsubscribed"
skip_invalid_fields = true
add_to_segments = [1, 2]
header = ["a", "b"]
[columns]
"Email Address" = "email+email_sub"
NOTES = ""
[first_of]
phones = ["Mobile, private", "Work"]
[words.Status]
cleaned = "hardbounced"
"*" = ""
[dates]
Birthday = ["day-first", "DD.MM.YY"]
"*" = "YYYY/MM/DD"
[skip_where]
IsDeleted = "1"
[files."cleaned_*"]
status = "hardbounced"
[files."cleaned_*".columns]
CLEAN_TIME = "email_sub.time"
"""


@pytest.mark.fact("FR.7-map-file")
def test_a_map_becomes_the_parameters_of_a_job() -> None:
    assert to_parameters(load_file_map(TEXT)) == {
        "system": "shopify",
        "matching": "email",
        "status": "unsubscribed",
        "skip_invalid_fields": True,
        "add_to_segments": [1, 2],
        "columns": ["a", "b"],
        "map": {
            "Email Address": "email+email_sub",
            "NOTES": "",
            '"Mobile, private",Work': "phones",
        },
        "words": {"Status": {"cleaned": "hardbounced", "*": ""}},
        "dates": ["Birthday=day-first", "Birthday=DD.MM.YY", "YYYY/MM/DD"],
        "skip_where": {"IsDeleted": ["1"]},
        "files": {
            "cleaned_*": {
                "status": "hardbounced",
                "map": {"CLEAN_TIME": "email_sub.time"},
            }
        },
    }


@pytest.mark.fact("FR.7-map-file")
def test_lines_of_columns_are_a_map_too() -> None:
    text = "# CRM\nE-mail=email\n\n=x=_fname\nNotes=\n"

    assert load_file_map(text).columns == {
        "E-mail": "email",
        "=x": "_fname",
        "Notes": "",
    }


@pytest.mark.fact("FR.7-map-file")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[columns\n", "Must be TOML: "),
        ("nonsense\n", "Line 1 must be COLUMN=FIELD, not 'nonsense'"),
        ('mathcing = "email"', "Unknown key (is it matching?): mathcing"),
        ('columns = "a"', "columns"),
        ("[columns]\na = 1", "columns"),
        ("[words]\na = 'x'", "words"),
        ("[dates]\na = 1", "dates"),
        ("skip_footer = 'yes'", "skip_footer"),
        ("db_id = 1", "Unknown key"),
        ("raise_consent = 'x'", "Unknown key"),
        ("[files]\na = 1", "Must be a table: files.a"),
        ("[files.a]\nnonsense = 1", ": files.a.nonsense"),
        ("[files.a.files.b]\nstatus = 'x'", ": files.a.files"),
    ],
)
def test_a_map_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        load_file_map(text)

    assert message in str(refused.value)


_NAMES = st.text(max_size=12).filter(lambda text: text.isprintable() or "\n" in text)
_MANY = st.lists(_NAMES, min_size=1, max_size=3).map(tuple)
_LISTED = st.dictionaries(_NAMES, _MANY, max_size=3)
_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "system": _NAMES,
        "delimiter": st.sampled_from([",", "\t", ";"]),
        "resource_id": st.integers(1, 9),
        "skip_footer": st.booleans(),
        "null": st.lists(_NAMES, max_size=3),
        "add_to_segments": st.lists(st.integers(1, 9), max_size=3),
    },
)


def _maps(**more: Any) -> st.SearchStrategy[FileMap]:
    return st.builds(
        FileMap,
        options=_OPTIONS,
        columns=st.dictionaries(_NAMES, _NAMES, max_size=3),
        first_of=_LISTED,
        words=st.dictionaries(
            _NAMES, st.dictionaries(_NAMES, _NAMES, max_size=2), max_size=2
        ),
        **dict.fromkeys(
            ("dates", "decimal", "booleans", "sexes", "skip_where"), _LISTED
        ),
        **more,
    )


@pytest.mark.fact("FR.7-map-file")
@given(_maps(files=st.dictionaries(_NAMES, _maps(), max_size=2)))
def test_a_map_that_is_written_is_read_as_the_same(file_map: FileMap) -> None:
    text = dump_file_map(
        file_map,
        ["Written by a test"],
        {"": ['status = "subscribed"'], "columns": ['"Opt In" = "email_sub.status"']},
    )

    assert load_file_map(text) == file_map
    assert '# "Opt In" = "email_sub.status"' in text


@given(st.lists(st.text(), min_size=2, max_size=4))
def test_columns_that_are_joined_are_split_into_the_same(names: list[str]) -> None:
    told = [name.strip().replace("\r", "").replace("\n", "") or "a" for name in names]
    told = [name.strip() or "a" for name in told]

    assert split_columns(join_columns(told)) == tuple(told)


@pytest.mark.fact("FR.7-merge")
def test_what_is_passed_goes_before_what_is_kept_column_by_column() -> None:
    kept = {
        "matching": "phone",
        "map": {"A": "email", "B": "_fname"},
        "words": {"S": {"x": "none", "y": "none"}},
        "dates": ["A=DD.MM.YYYY", "YYYY/MM/DD"],
        "null": ["-"],
    }
    told = {
        "map": {"B": "_lname", "C": ""},
        "words": {"S": {"x": "subscribed"}},
        "dates": ["A=MM/DD/YYYY", "B=DD/MM/YYYY"],
        "null": ["n/a"],
    }

    assert join_parameters(told, kept) == {
        "matching": "phone",
        "map": {"A": "email", "B": "_lname", "C": ""},
        "words": {"S": {"x": "subscribed", "y": "none"}},
        "dates": ["YYYY/MM/DD", "A=MM/DD/YYYY", "B=DD/MM/YYYY"],
        "null": ["n/a"],
    }


def test_every_option_is_one_of_a_job() -> None:
    assert {"matching", "encoding", "status", "timezone", "null"} <= set(OPTIONS)
