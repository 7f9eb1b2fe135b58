"""`penstock profiles merge` and `unmerge`: M1, X1, as an operator types them."""

import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.factories import make_import
from tests.pipeline import Pipeline

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture
def people(connection: Connection) -> tuple[str, str]:
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN, "_fname": "Ann"})
    return ann, pipeline.create({"email": BOB, "_lname": "Smith", "code": 5})


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("REDIS_URL", settings.redis_url)

    def type_(*words: str, **more: Any) -> Result:
        return CliRunner(env=dict(os.environ)).invoke(
            main, ["profiles", *words], **more
        )

    with draining(settings):
        yield type_


def test_profiles_are_merged_after_a_look_and_parted_again(
    run: Any, people: tuple[str, str], connection: Connection
) -> None:
    ann, bob = people
    refused = run("merge", ANN, BOB, input="n\n")
    assert refused.exit_code == 1
    assert "_lname" in refused.stdout
    assert "Merge 2 profiles?" in refused.stderr
    assert Pipeline(connection).count("merges") == 0

    done = run("merge", ANN, BOB, "--reason", "same person", "--yes")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Merged into profile {ann}: {bob}")
    command = done.stdout.strip().splitlines()[-1].partition(": penstock profiles ")[2]

    shown = run("show", bob)
    assert f'["{bob}"]' in shown.stdout
    assert "former_keys[email]" in shown.stdout
    document = json.loads(run("show", BOB, "--json").stdout)["profile"]
    assert (document["id"], document["former_ids"]) == (ann, [bob])

    parted = run(*command.split(), "--json", "--yes")
    record = json.loads(parted.stdout)
    assert (parted.exit_code, record["profiles"]) == (0, [bob])
    assert json.loads(run("show", BOB, "--json").stdout)["profile"]["id"] == bob


def test_a_dry_run_writes_nothing(
    run: Any, people: tuple[str, str], connection: Connection
) -> None:
    ann, bob = people
    rules = ["--survivor", "newest", "--field", f"_fname={ann}"]
    tried = run("merge", ann, bob, *rules, "--dry-run", "--json")
    outcome = json.loads(tried.stdout)["outcome"]

    assert (tried.exit_code, outcome["profile_id"]) == (0, bob)
    assert outcome["changes"]["_fname"] == [None, "Ann"]
    assert Pipeline(connection).count("merges") == 0


@pytest.mark.parametrize(
    ("words", "status", "text"),
    [
        (["merge", ANN], 2, "Pass at least two profiles"),
        (["merge", ANN, ANN], 2, "Pass at least two profiles"),
        (["merge", ANN, "no@example.com"], 1, "No profile has the ID, email, or phone"),
        (["merge", ANN, BOB, "--field", "x"], 2, "--field must be NAME=RULE"),
        (
            ["merge", ANN, BOB, "--field", "x=sum", "--yes"],
            1,
            "Unknown field: fields.x",
        ),
        (["merge", ANN, BOB, "--json"], 2, "--json does not prompt; add --yes."),
        (["unmerge", "0" * 24], 1, "No merge"),
        (["unmerge", str(uuid4())], 1, "No merge"),
    ],
)
def test_what_cannot_be_done_is_said(
    run: Any,
    people: tuple[str, str],
    connection: Connection,
    words: list[str],
    status: int,
    text: str,
) -> None:
    done = run(*words)

    assert done.exit_code == status, done.output
    assert text in done.output
    assert Pipeline(connection).count("merges") == 0


@pytest.mark.fact("M.8-merges")
def test_merges_are_listed(run: Any, people: tuple[str, str]) -> None:
    ann, bob = people
    assert "merged profiles" in run("merges").stdout
    run("merge", ANN, BOB, "--reason", "same person", "--yes")
    (line,) = json.loads(run("merges", BOB, "--json").stdout)["merges"]

    assert [line[name] for name in ("survivor_id", "profiles", "by", "reason")] == [
        *(ann, [bob], "command line", "same person")
    ]
    shown = run("merges", "--database", "1").stdout
    assert "command line: same person" in shown
    run("unmerge", bob, "--yes")
    (parted,) = json.loads(run("merges", "--json").stdout)["merges"]
    assert parted["undone_by"]
    assert parted["undone_at"] > parted["merged_at"]
    run("merge", ANN, BOB, "--yes")
    first = run("merges", "--limit", "1")
    command = first.stderr.strip().rpartition(": ")[2].split()
    rest = json.loads(run("merges", *command, "--json").stdout)
    assert [one["merge_id"] for one in rest["merges"]] == [line["merge_id"]]
    assert rest["next"] is None
    assert run("merges", "no@example.com").exit_code == 1


def test_consent_is_restored_with_a_reason(run: Any, people: tuple[str, str]) -> None:
    ann, bob = people
    run("merge", ann, bob, "--yes")
    refused = run("unmerge", bob, "--restore-consent", "--yes")

    assert refused.exit_code == 2
    assert "restore_consent needs it" in refused.output
    assert run("unmerge", bob, "--yes").exit_code == 0


@pytest.mark.fact("M.6-former-keys")
@pytest.mark.parametrize(
    ("field", "value"), [("email", "BOB@example.com"), ("code", "5")]
)
def test_a_former_key_is_forgotten(
    run: Any,
    people: tuple[str, str],
    connection: Connection,
    field: str,
    value: str,
) -> None:
    ann, _ = people
    connection.execute("""UPDATE profiles SET fields = fields || '{"code": 6}'
                           WHERE email = 'ann@example.com'""")
    run("merge", *people, "--yes")
    before = json.loads(run("show", ann, "--json").stdout)["profile"]["former_keys"]
    assert set(before) == {"email", "code"}
    tried = run("forget-key", ann, field, value, "--dry-run")
    assert (tried.exit_code, f"former_keys[{field}]" in tried.stdout) == (0, True)
    assert run("forget-key", ann, field, value, "--yes").exit_code == 0

    after = json.loads(run("show", ann, "--json").stdout)["profile"]["former_keys"]
    assert after == {path: one for path, one in before.items() if path != field}
    again = run("forget-key", ann, field, value, "--yes")
    assert again.exit_code == 1
    assert f"no such former key: former_keys[{field}]" in again.stdout
    # Somebody else may have it now.
    other = Pipeline(connection).create({"email": "cat@example.com"})
    free = {field: 5 if field == "code" else value}
    (taken,) = Pipeline(connection).apply(
        make_import("profile_id", free, key={"profile_id": other})
    )
    assert taken.error == 0
