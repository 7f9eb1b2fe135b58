"""What lists call fields, ids and moments."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.console.labels import (
    describe_changes,
    find_title,
    shorten,
    shorten_id,
    write_moment,
)
from ingest.domain.catalog import FieldType
from tests.declared import make_field
from tests.factories import make_catalog

NOW = datetime(2026, 11, 27, 14, 32, 7, tzinfo=UTC)
CATALOG = make_catalog(
    make_field("points", type=FieldType.INT, title="Loyalty points"),
    make_field("plain", type=FieldType.UNICODE, title=""),
)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("points", "Loyalty points"),
        ("data.points", "Loyalty points"),
        ("data._fname", "First name"),
        ("data.phones[0]", "Phones"),
        ("email", "Email"),
        ("plain", ""),
        ("data.unknown", ""),
        ("", ""),
        ("subscriptions[1].phone", ""),
    ],
)
def test_a_field_is_called_by_its_title(path: str, title: str) -> None:
    assert find_title(CATALOG, 1, path) == title
    assert find_title(CATALOG, 99, "data._fname") == "First name"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, ""),
        ({"points": [410, 455]}, "Loyalty points: 410 → 455"),
        ({"points": [None, 455]}, "Loyalty points: 455"),
        ({"points": [455, None]}, "Loyalty points: 455 → none"),
        (
            {
                "subscriptions[1].x": [1, 2],
                "_fname": [None, "Ada"],
                "plain": ["a", "b"],
            },
            "First name: Ada, 2 more",
        ),
        ({"phones": [["+1"], ["+1", "+2"]]}, 'Phones: ["+1"] → ["+1","+2"]'),
    ],
)
def test_changes_are_a_line(changes: dict[str, list[Any]], line: str) -> None:
    assert describe_changes(CATALOG, 1, changes) == line


@given(st.text(), st.text())
def test_a_line_is_short_whatever_was_changed(old: str, new: str) -> None:
    line = describe_changes(CATALOG, 1, {"points": [old, new]})

    assert len(line) <= 110
    assert len(shorten(old)) <= 40


def test_an_id_is_short() -> None:
    import_id = UUID("01a22495-2aa3-7024-98bc-caea79288f2c")

    assert shorten_id(import_id) == "01a22495…8f2c"
    assert shorten_id("6b0ec2db5db1755b306ec900") == "6b0e…c900"


@pytest.mark.parametrize(
    ("at", "written"),
    [
        (NOW - timedelta(hours=1), "13:32:07"),
        (NOW - timedelta(days=1), "26 Nov 14:32"),
        (NOW - timedelta(days=400), "23 Oct 2025"),
    ],
)
def test_a_moment_is_as_short_as_it_is_clear(at: datetime, written: str) -> None:
    assert write_moment(at, NOW) == written
