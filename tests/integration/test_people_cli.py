"""`penstock profiles find`, as an operator types it."""

import json
import os
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.settings import Settings
from tests.conftest import Connection
from tests.pipeline import Pipeline
from workers.people_keeper import PeopleKeeper


@pytest.fixture
def run(
    settings: Settings, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    Pipeline(connection).create(
        {"email": "ada@example.com", "_fname": "Ada", "_lname": "Lovelace"}
    )

    def type_(*words: str) -> Result:
        return CliRunner(env=dict(os.environ)).invoke(main, ["profiles", *words])

    return type_


def keep(settings: Settings) -> None:
    keeper = PeopleKeeper(settings)
    while keeper.run():
        pass
    keeper.close()


@pytest.mark.fact("P.4-command")
def test_people_are_found_by_a_part(run: Any, settings: Settings) -> None:
    keep(settings)

    found = run("find", "love ada", "--json")
    nobody = run("find", "loveless")
    elsewhere = run("find", "love", "--database", "2")
    short = run("find", "l")
    shown = run("find", "love")

    assert found.exit_code == 0, found.output
    document = json.loads(found.stdout)
    assert [one["name"] for one in document["people"]] == ["Ada Lovelace"]
    assert (document["count"], document["more"]) == (1, False)
    assert nobody.exit_code == elsewhere.exit_code == 1
    assert "Did you mean lovelace?" in nobody.output
    assert short.exit_code == 2
    assert "Enter at least 2 characters" in short.output
    assert "ada@example.com" in shown.stdout


@pytest.mark.fact("P.4-command")
def test_it_is_shown_what_cannot_be_found_yet(
    run: Any, connection: Connection, settings: Settings
) -> None:
    assert "The search is not set up" in run("find", "love").output
    keep(settings)
    connection.execute(
        "UPDATE people_search_progress SET caught_up_at = now() - interval '42 s'"
    )
    assert "Changes of the last 42" in run("find", "love").output
    connection.execute(
        "UPDATE people_search_progress SET fill_database = 1, filled = 1, expected = 4"
    )
    assert "being prepared (25 %)" in run("find", "love").output
