"""Stored numbers that cannot be dialled: found, previewed, rewritten (16.8)."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from ingest.doctor.work import _check_phones
from ingest.settings import Settings
from tests.conftest import Connection
from tests.drains import draining
from tests.intakes import wait_until
from tests.pipeline import Pipeline


def ask(settings: Settings, *options: str) -> tuple[int, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "profiles", "phones", "--json", *options],
        env={
            **os.environ,
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
        },
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr.decode()
    return done.returncode, json.loads(done.stdout)


@pytest.mark.fact("16.8-rewrite", "16.8-opt-out")
def test_numbers_are_previewed_and_rewritten_with_their_opt_outs(
    settings: Settings, connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    sms = {"channel": "sms", "resource_id": 1}
    ann = pipeline.create(
        {
            "phones": ["+442079460018", "+89001239999"],
            "subscriptions": [
                {**sms, "phone": "+89001239999", "status": "unsubscribed"}
            ],
        }
    )
    bob = pipeline.create({"phones": ["+89001230000"]})
    other = pipeline.create({"phones": ["+79001230000"]})
    lost = pipeline.create({"phones": ["+999123456789"]})
    told = ["--database", "1", "--region", "RU"]

    status, preview = ask(settings, *told)

    assert (status, preview["applied"]) == (1, False)
    assert {one["profile_id"]: one["action"] for one in preview["profiles"]} == {
        ann: "rewrite",
        bob: "collides",
        lost: "unreadable",
    }
    collided = next(one for one in preview["profiles"] if one["profile_id"] == bob)
    assert collided["others"] == [other]
    assert pipeline.profile(ann)["phones"] == ["+442079460018", "+89001239999"]

    with draining(settings):
        status, applied = ask(settings, *told, "--apply")
        wait_until(
            lambda: pipeline.profile(ann)["phones"] == ["+442079460018", "+79001239999"]
        )

    assert (status, applied["counts"]) == (
        1,
        {"rewrite": 1, "collides": 1, "unreadable": 1},
    )
    assert pipeline.profile(bob)["phones"] == ["+89001230000"]
    assert connection.execute(
        "SELECT contact, status FROM subscriptions ORDER BY contact"
    ).fetchall() == [("+79001239999", "unsubscribed"), ("+89001239999", "invalid")]
    _, again = ask(settings, *told)
    assert {one["profile_id"] for one in again["profiles"]} == {bob, lost}


@pytest.mark.fact("16.8-rewrite")
def test_the_doctor_names_numbers_that_cannot_be_dialled(
    connection: Connection,
) -> None:
    pipeline = Pipeline(connection)
    pipeline.create({"phones": ["+79001239999"]})
    well = _check_phones(connection)
    pipeline.create({"phones": ["+89001239999"]})

    finding = _check_phones(connection)

    assert (well.level, finding.level) == ("ok", "warning")
    assert "1 of 2 sampled are invalid, such as +89001239999" in finding.found
    assert "penstock profiles phones" in finding.advice
