"""The commands of docs/consent.md, typed one after another into one shell."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.pages import ROOT
from tests.programs import find_program
from tests.shells import list_typed, type_commands

PAGE = ROOT / "docs" / "consent.md"
#: The profile of the page's examples.
EXAMPLE = "6b04f28ad691ecc2e1a166f2"


def test_an_opt_out_is_kept_raised_and_remembered(
    running: dict[str, Any], tmp_path: Path
) -> None:
    find_program("curl")
    *typed, history = list_typed(PAGE)
    shown_json = "penstock consent show reader1@example.com --json"
    typed.append(f"ID=$({shown_json} | grep -o '[0-9a-f]\\{{24\\}}' | head -1)")
    # Within the single quotes of its body.
    typed.append(history.replace(EXAMPLE, "'$ID'"))
    # Other pages are typed into the same database.
    typed.append("penstock catalog apply before.toml --allow-data-loss --yes")
    shell = type_commands(typed, running, tmp_path, seconds=180)

    answers = iter(shell.answers)
    _, out, _, nightly, _, raised, by_phone = islice(answers, 7)
    assert "1,000 created" in out
    assert "1,000 unchanged" in nightly
    assert "Protected: 1,000 (kept unsubscribed: 1,000)." in nightly
    assert json.loads(raised).keys() == {"error", "error_text", "profile_id"}
    assert by_phone.startswith("Wrote subscribed by import ")
    check_confirmation(islice(answers, 7))
    shown, at, _, told, _ = answers
    statuses = [line.split()[3] for line in shown.splitlines()[2:]]
    assert statuses == ["subscribed", "unsubscribed"]
    assert "source: checkout, ip: 203.0.113.7, version: 2026-05" in shown
    assert [line.split()[3] for line in at.splitlines()[2:]] == ["unsubscribed"]
    assert [one["status"] for one in json.loads(told)["data"]] == statuses


def check_confirmation(answers: Iterator[str]) -> None:
    """Check what the section on double opt-in shows."""
    _, _, applied, imported, shown, _, confirmed = answers
    assert "No trigger sends links: resource 40 (Newsletter)." in applied
    assert applied.endswith("Applied.")
    assert json.loads(imported)["error"] == 0
    statuses, _, links = shown.partition("Confirmations")
    assert "unconfirmed" in statuses
    assert links.split()[-2] == "waiting"
    assert json.loads(confirmed) == json.loads(imported)
