"""`penstock held`: H4 to H8, as an operator types them."""

import json
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result

from ingest.cli import main
from ingest.domain.imports import OnAmbiguous
from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.factories import make_import, make_merge
from tests.pipeline import Pipeline

ANN, PHONE = "ann@example.com", "+442079460011"


@pytest.fixture
def case(connection: Connection) -> tuple[str, str, str]:
    """Two profiles, and an import that is held."""
    pipeline = Pipeline(connection)
    ann = pipeline.create({"email": ANN, "_fname": "Ann"})
    bob = pipeline.create({"phones": [PHONE], "_fname": "Bob"})
    sent = make_import(
        "email_phone",
        {"_lname": "Smith"},
        key={"email": ANN, "phone": PHONE},
        on_ambiguous=OnAmbiguous.HOLD,
    )
    pipeline.apply(sent)
    return ann, bob, str(sent.import_id)


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("REDIS_URL", settings.redis_url)

    def type_(*words: str, **more: Any) -> Result:
        return CliRunner(env=dict(os.environ)).invoke(main, ["held", *words], **more)

    with draining(settings):
        yield type_


def test_a_case_is_listed_shown_and_decided(
    run: Any, case: tuple[str, str, str], connection: Connection
) -> None:
    ann, bob, import_id = case
    (listed,) = json.loads(run("list", "--json").stdout)
    assert (listed["imports"], listed["candidates"]) == (1, sorted([ann, bob]))
    assert listed["case_id"] in run("list", "--database", "1").stdout
    assert "No imports are held." in run("list", "--database", "2").stdout

    shown = run("show", import_id).stdout
    assert shown.count("Smith") == 2
    refused = run("pick", import_id, ANN, input="n\n")
    assert (refused.exit_code, "Decide 1 import?" in refused.stderr) == (1, True)
    tried = run("pick", import_id, ANN, "--dry-run", "--json")
    assert json.loads(tried.stdout)["outcomes"][0]["profile_id"] == ann
    done = run("pick", listed["case_id"], ANN, "--yes")
    assert (done.exit_code, "updated" in done.stdout) == (0, True)
    assert Pipeline(connection).profile(ann)["fields"]["_lname"] == "Smith"
    again = run("pick", import_id, ANN, "--yes")
    assert (again.exit_code, "No held imports" in again.output) == (1, True)


@pytest.mark.fact("H.4-merge")
def test_the_candidates_are_merged(
    run: Any, case: tuple[str, str, str], connection: Connection
) -> None:
    ann, _, import_id = case
    assert run("retry", import_id, "--yes").exit_code == 1
    done = run("merge", import_id, "--reason", "same person", "--yes")

    assert done.exit_code == 0, done.output
    pipeline = Pipeline(connection)
    assert pipeline.count("profiles") == 1
    assert pipeline.profile(ann)["fields"]["_lname"] == "Smith"


@pytest.mark.fact("H.4-preview")
def test_a_merge_is_previewed(
    run: Any, case: tuple[str, str, str], connection: Connection
) -> None:
    tried = run("merge", case[2], "--dry-run", "--json")

    merged, applied = json.loads(tried.stdout)["outcomes"]
    assert (merged["profiles"], merged["profile_id"]) == ([case[1]], case[0])
    assert applied["changes"]["_lname"] == [None, "Smith"]
    assert Pipeline(connection).count("profiles") == 2
    assert json.loads(run("list", "--json").stdout)[0]["imports"] == 1


@pytest.mark.fact("H.6-merged")
def test_only_a_candidate_can_be_picked(
    run: Any, case: tuple[str, str, str], connection: Connection
) -> None:
    ann, bob, import_id = case
    pipeline = Pipeline(connection)
    other = pipeline.create({"email": "cleo@example.com"})
    for options in (["--dry-run"], ["--yes"]):
        refused = run("pick", import_id, "cleo@example.com", *options)
        assert refused.exit_code == 1
        for named in (ann, bob):
            assert named in refused.output
    assert json.loads(run("list", "--json").stdout)[0]["imports"] == 1
    # Once it is one with them, it is one of them.
    pipeline.apply(make_merge(other, bob, survivor=other))
    done = run("pick", import_id, PHONE, "--yes", "--json")
    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert (done.exit_code, outcome["profile_id"]) == (0, other)


@pytest.mark.fact("H.4-reject")
def test_a_case_is_rejected(run: Any, case: tuple[str, str, str]) -> None:
    assert run("reject", case[2], "--yes").exit_code == 2
    done = run("reject", case[2], "--reason", "test data", "--yes", "--json")

    (outcome,) = json.loads(done.stdout)["outcomes"]
    assert (done.exit_code, outcome["state"]) == (0, "rejected")
    assert outcome["faults"][0]["message"] == "Rejected by an operator (test data)"


@pytest.mark.fact("H.4-receipt")
def test_the_receipt_names_the_command_line(
    run: Any, case: tuple[str, str, str]
) -> None:
    assert run("reject", case[2], "--reason", "test data", "--yes").exit_code == 0
    runner = CliRunner(env=dict(os.environ))
    show = ["imports", "show", case[2]]
    told = json.loads(runner.invoke(main, [*show, "--json"]).stdout)

    assert "reject by command line" in runner.invoke(main, show).stdout
    assert (told["decision"]["by"], told["decision"]["reason"]) == (
        *("command line", "test data"),
    )


def test_an_unknown_case_is_said_to_be(run: Any) -> None:
    for words in (["show"], ["retry", "--yes"]):
        done = run(words[0], str(uuid4()), *words[1:])
        assert (done.exit_code, "No held imports" in done.output) == (1, True)
