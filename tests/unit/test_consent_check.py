"""Columns of consent that nobody has mapped or skipped (FR8)."""

import io
from typing import Any

import pytest

from ingest.domain.catalog import Field, FieldType
from ingest.domain.errors import InvalidRequest
from ingest.doors.files.formats.tables import FileTable
from ingest.doors.files.inputs import open_rows
from ingest.doors.files.jobs.consent_check import check_consent_columns
from ingest.doors.files.rows import Reading
from ingest.wire.row_statuses import StatusRules
from tests.factories import make_database

#: Fields of a database that are called as columns of consent are elsewhere.
FIELDS = [
    Field(name="opt", type=FieldType.UNICODE, title="Email Opt Out"),
    Field(name="level", type=FieldType.UNICODE),
]
ROWS = [["a@b.c", "unsubscribed"], ["b@b.c", "active"], ["c@b.c", "active"]]


def check(header: str, told: dict[str, str], **options: Any) -> None:
    reading = Reading(mapping=told, statuses=StatusRules(**options))
    table = open_rows(io.BytesIO(header.encode()), reading, make_database(*FIELDS))
    assert isinstance(table, FileTable)
    check_consent_columns(table, told, ROWS)


@pytest.mark.fact("FR.8-refused")
@pytest.mark.parametrize("column", ["Email Opt Out", "level"], ids=["name", "cells"])
def test_a_file_that_subscribes_is_refused_while_consent_is_open(column: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(f"email_sub,{column}\n", {})

    assert f"The column {column!r} may contain consent (" in str(refused.value)
    assert f"Map it: {column}=email_sub.status, or skip it: {column}=" in str(
        refused.value
    )


@pytest.mark.fact("FR.8-refused")
@pytest.mark.parametrize("target", ["", "opt", "email_sub.status"])
def test_an_answer_is_a_target_or_none(target: str) -> None:
    check("email_sub,Email Opt Out\n", {"Email Opt Out": target})


@pytest.mark.fact("FR.8-refused")
@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("email,Email Opt Out\n", ""),
        ("email_sub,Email Opt Out\n", "unsubscribed"),
        ("email_sub,Email Opt Out\n", "none"),
        ("email_sub,consent_time\n", ""),
        ("email_sub,email_sub.status\n", ""),
        ("email_sub,_status\n", ""),
    ],
)
def test_a_file_that_subscribes_nobody_or_calls_them_as_we_do_is_taken(
    header: str, status: str
) -> None:
    check(header, {}, status=status)
