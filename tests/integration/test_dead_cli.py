"""`penstock dead-letters` on a real database: output, masking, changes, exits."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.domain.imports import Import
from ingest.store.dead_letters.write import DeadLetter, insert_dead_letter
from tests.conftest import Connection
from tests.factories import by_email
from tests.pipeline import Pipeline

SECRET = "Zebedee"


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(
        main, ["dead-letters", *arguments], env={"DATABASE_URL": url}
    )


def answer(url: str, *arguments: str) -> Any:
    result = run(url, *arguments, "--json")
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


@pytest.fixture
def buried(connection: Connection) -> Sequence[Import]:
    """Three imports that died of one constraint, which has gone since."""
    connection.execute("ALTER TABLE profiles ADD CONSTRAINT a_bug CHECK (false)")
    imports = [by_email(f"n{n}@example.com", {"_fname": SECRET}) for n in range(3)]
    Pipeline(connection).apply(*imports)
    connection.execute("ALTER TABLE profiles DROP CONSTRAINT a_bug")
    return imports


@pytest.fixture
def undecodable(connection: Connection) -> None:
    """An entry that is no import, buried a year ago."""
    letter = DeadLetter(
        import_id=None,
        database_id=None,
        partition=1,
        entry_id="7-0",
        payload=f"{SECRET}\0".encode(),
        error=f"MalformedEntry: '{SECRET}' cannot be read",
        traceback="",
    )
    insert_dead_letter(connection, letter, datetime(2025, 11, 1, tzinfo=UTC))


def test_letters_are_listed_by_what_went_wrong(
    buried: Sequence[Import], undecodable: None, database_url: str
) -> None:
    newest, oldest = answer(database_url, "list")

    assert (newest["open"], newest["replayed"], newest["discarded"]) == (3, 0, 0)
    assert newest["error_class"] == "CheckViolation[a_bug]"
    assert newest["place"].startswith("workers/apply.py ")
    assert newest["database_ids"] == [1]
    assert newest["first_at"] <= newest["last_at"]
    assert len(newest["fingerprint"]) == 12
    assert (oldest["open"], oldest["database_ids"]) == (1, [])
    text = run(database_url, "list").output
    assert newest["fingerprint"] in text
    assert SECRET not in text + json.dumps([newest, oldest])


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        pytest.param([], 4, id="none"),
        pytest.param(["--database", "1"], 3, id="database"),
        pytest.param(["--database", "2"], 0, id="another database"),
        pytest.param(["--until", "2026-01-01"], 1, id="until"),
        pytest.param(["--since", "2026-01-01T00:00"], 3, id="since"),
        pytest.param(["--fingerprint", "no such"], 0, id="another fingerprint"),
    ],
)
def test_filters_narrow_what_is_listed(
    buried: Sequence[Import],
    undecodable: None,
    database_url: str,
    arguments: list[str],
    found: int,
) -> None:
    groups = answer(database_url, "list", *arguments)

    assert sum(group["open"] for group in groups) == found


def test_a_letter_is_shown_without_personal_data_unless_revealed(
    buried: Sequence[Import], database_url: str
) -> None:
    import_id = str(buried[0].import_id)

    masked = answer(database_url, "show", import_id)
    revealed = answer(database_url, "show", import_id, "--reveal")
    texts = run(database_url, "show", import_id).output

    assert masked["payload"]["data"] == {"_fname": f"<text, {len(SECRET)}>"}
    assert "workers/apply.py" in masked["traceback"]
    for shown in (json.dumps(masked), texts):
        assert SECRET not in shown
        assert "n0@example.com" not in shown
    assert json.loads(revealed["payload"])["data"] == {"_fname": SECRET}
    assert "a_bug" in revealed["error"]
    assert SECRET in run(database_url, "show", import_id, "--reveal").output


@pytest.mark.usefixtures("undecodable")
def test_what_is_no_import_can_be_shown_and_dropped_but_not_replayed(
    database_url: str,
) -> None:
    (group,) = answer(database_url, "list")
    number = str(group["sample_id"])

    shown = answer(database_url, "show", number, "--reveal")
    refused = run(database_url, "replay", number, "--yes")
    dropped = answer(database_url, "discard", number, "--yes", "--reason", "not ours")

    assert shown["payload"] == f"{SECRET}\0"
    assert refused.exit_code == 1
    assert "undecodable" in refused.output
    assert dropped == {"discarded": 1}
    assert answer(database_url, "list") == []


def test_a_dry_run_and_then_a_replay(
    buried: Sequence[Import], connection: Connection, database_url: str
) -> None:
    fingerprint = answer(database_url, "list")[0]["fingerprint"]
    chosen = ("replay", "--fingerprint", fingerprint)

    dry = answer(database_url, *chosen, "--dry-run")
    nothing = connection.execute("SELECT count(*) FROM profiles").fetchone()
    wet = answer(database_url, *chosen, "--yes")

    assert nothing == (0,)
    assert [letter["state"] for letter in dry["letters"]] == ["created"] * 3
    assert (dry["dry_run"], dry["open"]) == (True, 0)
    assert [letter["import_id"] for letter in wet["letters"]] == [
        str(import_.import_id) for import_ in buried
    ]
    assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (3,)
    assert answer(database_url, *chosen, "--yes")["letters"] == []
    (group,) = answer(database_url, "list", "--all")
    assert (group["open"], group["replayed"]) == (0, 3)


def test_what_is_dropped_keeps_its_trace_and_its_receipt(
    buried: Sequence[Import], connection: Connection, database_url: str
) -> None:
    import_id = str(buried[1].import_id)
    number = str(answer(database_url, "show", import_id)["id"])

    run(database_url, "discard", number, "--yes", "--reason", "a test", "--by", "ops")

    shown = answer(database_url, "show", number)
    assert (shown["resolution"], shown["resolved_by"]) == ("discarded", "ops")
    assert shown["reason"] == "a test"
    assert shown["resolved_at"]
    row = connection.execute("SELECT count(*) FROM imports WHERE state = 'dead'")
    assert row.fetchone() == (3,)
    assert answer(database_url, "replay", number, "--yes")["letters"] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["replay"], "or with --all", id="replay of nothing"),
        pytest.param(
            ["discard", "--reason", "x"], "or with --all", id="discard of nothing"
        ),
        pytest.param(["discard", "1"], "--reason", id="no reason"),
        pytest.param(["replay", "1", "--json"], "--yes", id="nobody to ask"),
        pytest.param(["show", "what"], "neither", id="no number"),
    ],
)
def test_wrong_usage_is_refused(
    database_url: str, arguments: list[str], message: str
) -> None:
    result = run(database_url, *arguments)

    assert result.exit_code == 2
    assert message in result.output


def test_an_unknown_letter_is_told(database_url: str) -> None:
    result = run(database_url, "show", "99")

    assert result.exit_code == 1
    assert "Dead letter 99 not found" in result.output


def test_a_no_changes_nothing(
    buried: Sequence[Import], connection: Connection, database_url: str
) -> None:
    result = CliRunner().invoke(
        main,
        ["dead-letters", "replay", "--all"],
        env={"DATABASE_URL": database_url},
        input="n",
    )

    assert result.exit_code == 1
    assert "Replay 3 dead letters?" in result.output
    assert connection.execute("SELECT count(*) FROM profiles").fetchone() == (0,)
