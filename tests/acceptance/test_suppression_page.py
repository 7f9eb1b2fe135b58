"""The commands of docs/suppression.md, typed one after another into one shell."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.pages import ROOT
from tests.programs import find_program
from tests.shells import list_typed, type_commands

PAGE = ROOT / "docs" / "suppression.md"


@pytest.mark.fact("L.6-forgotten", "L.7-lists")
def test_a_deleted_person_stays_out(running: dict[str, Any], tmp_path: Path) -> None:
    find_program("curl")
    shell = type_commands(list_typed(PAGE), running, tmp_path, seconds=180)

    answers = shell.answers
    _, _, applied, created, deleted, refused, checked, added, by_http, _, read = answers
    assert "suppressions.4" in applied
    assert (
        json.loads(created)["profile_id"] == (json.loads(deleted)["data"]["profile_id"])
    )
    assert json.loads(refused) == {
        "error": 403,
        "error_text": "The contact is suppressed (list 4): data.email",
    }
    assert "4 Forgotten" in checked
    assert checked.split()[-1] == "deletion"
    assert added == "Added 2 contacts; 0 already there."
    assert json.loads(by_http)["data"] == {"added": 1, "known": 0}
    assert read == "Read 2 contacts: 1 added, 1 already there, 0 invalid."
