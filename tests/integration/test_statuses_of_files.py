"""Files of random statuses over profiles with random ones (FR7-guard)."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.domain.statuses import DECIDED, PROHIBITION, STATUSES
from ingest.wire.row_statuses import WordReader
from tests.conftest import Connection
from tests.tables import import_file

PEOPLE = 4
_CELLS = st.sampled_from(
    ["", "active", "unsubscribed", "cleaned", "spam", "no", "x", "y", "pending", "0"]
)
_MEANINGS = st.sampled_from([*STATUSES, "none", ""])


def address(number: int) -> str:
    return f"p{number}@example.com"


def stored(connection: Connection) -> dict[str, str]:
    rows = connection.execute(
        "SELECT contact, status FROM subscriptions WHERE resource_id = 29"
    )
    return dict(rows.fetchall())


def write(rows: list[list[str]], *columns: str) -> bytes:
    lines = [",".join(["email", *columns])]
    lines += [",".join([address(at), *cells]) for at, cells in enumerate(rows)]
    return "\n".join(lines).encode() + b"\n"


@pytest.mark.fact("FR.7-guard")
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.lists(
        st.sampled_from([None, *STATUSES]), min_size=PEOPLE, max_size=PEOPLE
    ),
    cells=st.lists(
        st.lists(_CELLS, min_size=2, max_size=2), min_size=PEOPLE, max_size=PEOPLE
    ),
    words=st.dictionaries(st.sampled_from(["x", "y", "0", "active", "*"]), _MEANINGS),
    status=_MEANINGS,
    time=st.sampled_from(["", "2019-01-01T00:00:00Z", "2030-01-01T00:00:00Z"]),
)
def test_no_negative_status_is_lost_and_nobody_is_subscribed_who_is_not(
    connection: Connection,
    before: list[str | None],
    cells: list[list[str]],
    words: dict[str, str],
    status: str,
    time: str,
) -> None:
    connection.execute("TRUNCATE profiles CASCADE")
    seed(connection, before)
    had = stored(connection)
    meant = [[WordReader(words).find(one) for one in row if one] for row in cells]
    query: dict[str, Any] = {
        "map": [
            "email=email+email_sub",
            "A=email_sub.status",
            "B=email_sub.status",
            "T=email_sub.time",
        ],
        "words": [
            f"{column}: {', '.join(f'{word}={one}' for word, one in words.items())}"
            for column in "AB"
            if words
        ],
        "resource_id": "29",
    } | ({"status": status} if status else {})

    import_file(connection, write([[*row, time] for row in cells], *"ABT"), **query)
    has = stored(connection)

    for number in range(PEOPLE):
        check(had.get(address(number)), has.get(address(number)), meant[number], status)
    old = write([[address(number)] for number in range(PEOPLE)], "email_sub")
    import_file(connection, old, resource_id="29")
    assert {one: stored(connection)[one] for one in has} == has


def check(
    had: str | None, has: str | None, meant: list[str | None], status: str
) -> None:
    """Check the status of a person after the file."""
    if None in meant:
        # The row is rejected, with the word named.
        assert has == had
        return
    said = [one for one in (*meant, status) if one]
    negatives = [one for one in said if one not in ("subscribed", "none")]
    if had in DECIDED:
        assert PROHIBITION[str(has)] >= PROHIBITION[str(had)]
    if negatives:
        least = max(PROHIBITION[one] for one in negatives)
        assert PROHIBITION[str(has)] >= least
    if has == "subscribed" and had != "subscribed":
        assert set(said) == {"subscribed"}
    if not said or ("none" in said and not negatives):
        assert has == had


def seed(connection: Connection, before: list[str | None]) -> None:
    """Store the people, each with a status, or without a subscription."""
    known = [at for at, one in enumerate(before) if one is not None]
    lines = ["email,State"] + [f"{address(at)},{before[at]}" for at in known]
    import_file(
        connection,
        "\n".join([*lines, ""]).encode(),
        map=["email=email+email_sub", "State=email_sub.status"],
        resource_id="29",
    )
