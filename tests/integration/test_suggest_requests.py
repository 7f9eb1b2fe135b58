"""`jobs/suggest`: the columns of a file, over HTTP."""

import gzip
from collections.abc import Iterator
from typing import Any

import pytest

from ingest.settings import Settings
from ingest.wire.file_maps import load_file_map
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import ServedIntake, served
from tests.suggesting import EXPORTS
from tests.uploads import answered, emails, send

PATH = "/api/v1.1/jobs/suggest"
#: Pieces of a megabyte: more than is in flight when the answer comes.
_MOST_PIECES = 40
MAILERLITE = (EXPORTS / "mailerlite-subscribers-export.csv").read_bytes()


@pytest.fixture
def intake(settings: Settings) -> Iterator[ServedIntake]:
    with served(settings) as one, draining(settings):
        yield one


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.fact("FR.1-shown")
def test_a_file_gets_a_suggestion_and_nothing_is_stored(
    intake: ServedIntake, token: str, connection: Connection, packed: bool
) -> None:
    content = gzip.compress(MAILERLITE) if packed else MAILERLITE

    said = send(intake, token, content, path=PATH).json()

    assert said["error"] == 0
    assert said["system"] == "mailerlite"
    targets = {one["name"]: one["target"] for one in said["columns"]}
    assert targets["Subscriber"] == "email+email_sub"
    assert targets["Status"] == "email_sub.status"
    assert load_file_map(said["map_file"]).columns["Signup IP"] == "_regip"
    assert emails(connection) == []


@pytest.mark.fact("FR.1-http")
def test_the_parameters_of_a_suggestion_import_the_file(
    intake: ServedIntake, token: str, connection: Connection
) -> None:
    said = send(intake, token, MAILERLITE, path=PATH).json()
    query: dict[str, Any] = {}
    for one in said["parameters"]:
        query.setdefault(one["name"], []).append(one["value"])
    open_ones = [one["column"] for one in said["questions"] if one["column"]]
    query["map"] += [f"{name}=" for name in open_ones]

    job = send(intake, token, MAILERLITE, **query).json()

    assert job["error"] == 0, job
    assert job["created"] == 5
    found = connection.execute(
        "SELECT status FROM subscriptions WHERE contact = 'bo.ml@example.com'"
    )
    assert found.fetchall() == [("hardbounced",)]


@pytest.mark.fact("FR.1-http")
def test_only_the_beginning_of_a_file_is_read(intake: ServedIntake, token: str) -> None:
    sent = 0

    def write() -> Iterator[bytes]:
        nonlocal sent
        yield MAILERLITE
        while sent < _MOST_PIECES:
            sent += 1
            yield b"x@example.com,active\n" * 50_000

    said = answered(lambda: send(intake, token, write(), path=PATH))

    assert said is None or said["system"] == "mailerlite"
    assert sent < _MOST_PIECES


@pytest.mark.parametrize(
    ("content", "kind", "error"),
    [
        (b'{"email": "a@example.com"}\n', "application/x-ndjson", 400),
        (b"", "text/csv", 400),
        (b"email\na@example.com\n", "image/png", 415),
        ((EXPORTS / "telegram-members.csv").read_bytes(), "text/csv", 400),
    ],
    ids=["documents", "empty", "image", "telegram"],
)
def test_what_has_no_suggestion_is_refused(
    intake: ServedIntake, token: str, content: bytes, kind: str, error: int
) -> None:
    said = send(intake, token, content, kind, path=PATH).json()

    assert said["error"] == error


def test_it_needs_the_right_to_import(intake: ServedIntake) -> None:
    assert send(intake, "wrong", MAILERLITE, path=PATH).json()["error"] == 403
