"""The commands of docs/segments.md, typed one after another into one shell."""

import json
from pathlib import Path
from typing import Any

from tests.pages import ROOT, read_blocks
from tests.programs import find_program
from tests.shells import list_typed, type_commands

PAGE = ROOT / "docs" / "segments.md"
#: A profile that is there before the segment.
FIRST = """curl -sS "$URL/api/v1.1/profiles/import" -H "Authorization: Bearer $TOKEN" \\
  -d '{"db_id": 1, "email": "points@example.com", "data": {"points": 100}}'
"""


def test_a_reader_is_led_from_a_file_to_an_event(
    running: dict[str, Any], tmp_path: Path
) -> None:
    find_program("curl")
    (declared,) = (one.text for one in read_blocks(PAGE) if one.kind == "toml")
    (tmp_path / "segment.toml").write_text(f"\n{declared}")
    shell = type_commands([FIRST, *list_typed(PAGE)], running, tmp_path)

    answers = shell.answers
    _, previewed, _, _, applied, built, shown, *others = answers
    assert previewed.splitlines()[0].endswith(" of database 1")
    assert "+ segments.12  Plus and Pro, birthday soon" in applied
    assert built == "Built 12."
    assert "built" in shown
    imported, of_profile, members, events = map(str.strip, others)
    profile_id = json.loads(imported)["profile_id"]
    (segment,) = json.loads(of_profile)["data"]
    assert (segment["id"], segment["state"]) == (12, "built")
    assert members.splitlines() == [profile_id]
    told = [json.loads(line) for line in events.splitlines()]
    assert any(
        one["kind"] == "segment_entered" and one["profile_id"] == profile_id
        for one in told
    )
