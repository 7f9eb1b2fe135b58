"""`penstock endpoint` on a real database."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger


@pytest.fixture(autouse=True)
def endpoints(connection: Connection) -> None:
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: make_endpoint()},
            triggers={1: make_trigger()},
        )
        save_catalog(connection, declared)


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["endpoint", *arguments], env={"DATABASE_URL": url})


def test_the_secret_is_made_once_and_shown_when_asked_for(
    connection: Connection, database_url: str
) -> None:
    first = run(database_url, "secret", "1").output
    with connection.transaction():
        save_catalog(connection, load_declared(connection))

    assert first.startswith("whsec_")
    assert run(database_url, "secret", "1").output == first
    assert first.strip() not in run(database_url, "list", "--json").output


def test_a_disabled_endpoint_is_listed_and_taken_back(
    connection: Connection, database_url: str
) -> None:
    connection.execute("UPDATE endpoints SET disabled_at = now(), failures = 9")

    (before,) = json.loads(run(database_url, "list", "--json").output)
    enabled = run(database_url, "enable", "1", "--retry-failed")
    (after,) = json.loads(run(database_url, "list", "--json").output)

    assert (before["target"], before["pending"]) == ("https://crm.test/in", 0)
    assert before["disabled_at"]
    assert enabled.output == "Enabled endpoint 1.\n"
    assert after["disabled_at"] is None
    assert "CRM" in run(database_url, "list").output


@pytest.mark.fact("TR.5-keys", "TR.6-keys", "TR.7-keys")
def test_the_limits_of_an_endpoint_are_listed(
    connection: Connection, database_url: str
) -> None:
    with connection.transaction():
        limited = make_endpoint(rate=0.5, concurrency=2, batch=9, disable_after="2d")
        declared = replace(load_declared(connection), endpoints={1: limited})
        save_catalog(connection, declared)
    connection.execute(
        """
        UPDATE endpoints
           SET disabled_at = now(), failing_since = now(), disabled_reason = 'failing'
        """
    )

    (shown,) = json.loads(run(database_url, "list", "--json").output)
    assert (shown["rate"], shown["concurrency"], shown["batch"]) == (0.5, 2, 9)
    assert (shown["disabled_reason"], shown["disable_after"]) == ("failing", "2d")
    assert shown["failing_since"]
    # Another place has not failed.
    moved = replace(limited, url="https://crm.test/new")
    with connection.transaction():
        save_catalog(connection, replace(declared, endpoints={1: moved}))
    (shown,) = json.loads(run(database_url, "list", "--json").output)
    assert (shown["disabled_reason"], shown["failing_since"]) == (None, None)
    assert (shown["skipped"], shown["delayed"]) == (0, 0)


QUEUE = {"url": "", "queue": "crm"}


@pytest.mark.parametrize(
    ("before", "changes", "anew"),
    [
        pytest.param({}, {"url": "https://crm.test/new"}, True, id="another url"),
        pytest.param(QUEUE, {"queue": "erp"}, True, id="another queue"),
        pytest.param({}, QUEUE, True, id="a queue in place of a url"),
        pytest.param({}, {"name": "CRM 2"}, False, id="another name of a url"),
        pytest.param(QUEUE, {"name": "CRM 2"}, False, id="another name of a queue"),
    ],
)
def test_an_endpoint_that_points_elsewhere_starts_anew(
    connection: Connection,
    before: dict[str, str],
    changes: dict[str, str],
    *,
    anew: bool,
) -> None:
    declared = load_declared(connection)
    with connection.transaction():
        save_catalog(
            connection, replace(declared, endpoints={1: make_endpoint(**before)})
        )
    connection.execute(
        "UPDATE endpoints SET disabled_at = now(), paused_until = now(), failures = 9"
    )

    changed = make_endpoint(**before | changes)
    with connection.transaction():
        save_catalog(connection, replace(declared, endpoints={1: changed}))

    (row,) = connection.execute(
        "SELECT failures, paused_until IS NULL, disabled_at IS NULL FROM endpoints"
    )
    assert row == ((0, True, True) if anew else (9, False, False))


@pytest.mark.parametrize("command", ["secret", "enable"])
def test_an_unknown_endpoint_is_told(database_url: str, command: str) -> None:
    result = run(database_url, command, "7")

    assert result.exit_code == 1
    assert "Endpoint 7 not found" in result.output
