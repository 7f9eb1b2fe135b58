"""The commands of docs/segments.md, typed one after another into one shell."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.pages import ROOT, read_blocks, read_commands
from tests.programs import find_program

PAGE = ROOT / "docs" / "segments.md"
END = "---end of command---"
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
    commands = [
        command.text
        for block in read_blocks(PAGE)
        if block.kind == "console"
        for command in read_commands(block)
    ]
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        input=f"\necho '{END}'\n".join([FIRST, *commands]),
        cwd=tmp_path,
        env=os.environ
        | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "DATABASE_URL": running["database"],
            "REDIS_URL": running["redis"],
            "URL": running["http"],
            "TOKEN": running["token"],
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answers = [answer.strip() for answer in done.stdout.split(END)]
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
