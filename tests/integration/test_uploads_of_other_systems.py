"""Uploads of files of other systems: statuses and mappings by parameters (FR7-FR13)."""

from typing import Any

import pytest

from tests.conftest import Connection
from tests.intakes import ServedIntake
from tests.uploads import ask, send


def statuses(connection: Connection) -> dict[str, str]:
    rows = connection.execute("SELECT contact, status FROM subscriptions ORDER BY 1")
    return dict(rows.fetchall())


@pytest.mark.fact("FR.7-http", "FR.7-words", "FR.11-same", "FR.13-else-phone")
def test_an_upload_takes_the_same_options(
    drained: ServedIntake, connection: Connection, token: str
) -> None:
    query: dict[str, Any] = {
        "map": ["E-mail=email+email_sub", "State=email_sub.status", "Tel=phones"],
        "words": "State: gone=unsubscribed",
        "system": "crm",
        "matching": "email_else_phone",
    }
    header = "E-mail,State,Tel\n"
    first = header + "ada@example.com,gone,\n,,+442079460018\nbo@example.com,left,\n"
    later = header + "cy@example.com,gone,\n"

    told = send(drained, token, first, **query).json()
    key = {"Idempotency-Key": "a"}
    again = send(drained, token, later, headers=key).json()
    repeated = send(drained, token, later, headers=key)
    refused = send(drained, token, later, new_map="true").json()

    assert (told["created"], told["rejected"]) == (2, 1)
    assert "map_of" not in told
    assert told["statuses"] == {"email": {"unsubscribed": 1}}
    (fault,) = ask(drained, token, told["job_id"], "/faults").json()["faults"]
    assert (fault["column"], fault["sample"]) == ("State", "left")
    assert (again["created"], again["map_of"]) == (1, told["job_id"])
    assert (repeated.status_code, repeated.json()["job_id"]) == (200, again["job_id"])
    assert (refused["error"], "No field is called" in refused["error_text"]) == (
        400,
        True,
    )
    assert statuses(connection) == dict.fromkeys(
        ["ada@example.com", "cy@example.com"], "unsubscribed"
    )


@pytest.mark.fact("FR.7-http")
@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"words": "State"}, "words"),
        ({"words": "State: a=b"}, "words"),
        ({"status": "gone"}, "status"),
        ({"status": ["none", "none"]}, "status"),
        ({"skip_where": "State"}, "skip_where"),
        ({"skip_footer": "maybe"}, "skip_footer"),
        ({"status": "unsubscribed"}, "status"),
    ],
)
def test_an_option_that_is_wrong_is_named(
    drained: ServedIntake, token: str, query: dict[str, Any], path: str
) -> None:
    answer = send(drained, token, "email\nada@example.com\n", **query).json()

    assert answer["error"] == 400
    assert answer["error_text"].endswith(f": {path}")
