"""The commands of docs/consent.md, typed one after another into one shell."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.pages import ROOT, read_blocks, read_commands
from tests.programs import find_program

PAGE = ROOT / "docs" / "consent.md"
END = "---end of command---"
#: The profile of the page's examples.
EXAMPLE = "6b04f28ad691ecc2e1a166f2"


def test_an_opt_out_is_kept_raised_and_remembered(
    running: dict[str, Any], tmp_path: Path
) -> None:
    find_program("curl")
    commands = [
        command.text
        for block in read_blocks(PAGE)
        if block.kind == "console"
        for command in read_commands(block)
    ]
    *typed, history = commands
    shown_json = "penstock consent show reader1@example.com --json"
    typed.append(f"ID=$({shown_json} | grep -o '[0-9a-f]\\{{24\\}}' | head -1)")
    # Within the single quotes of its body.
    typed.append(history.replace(EXAMPLE, "'$ID'"))
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail"],
        input=f"\necho '{END}'\n".join(typed),
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
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    answers = [answer.strip() for answer in done.stdout.split(END)]
    _, out, _, nightly, _, raised, by_phone, shown, at, _, told = answers
    assert "1,000 created" in out
    assert "1,000 unchanged" in nightly
    assert "Protected: 1,000 (kept unsubscribed: 1,000)." in nightly
    assert json.loads(raised).keys() == {"error", "error_text", "profile_id"}
    assert by_phone.startswith("Wrote subscribed by import ")
    statuses = [line.split()[3] for line in shown.splitlines()[2:]]
    assert statuses == ["subscribed", "unsubscribed"]
    assert "source: checkout, ip: 203.0.113.7, version: 2026-05" in shown
    assert [line.split()[3] for line in at.splitlines()[2:]] == ["unsubscribed"]
    assert [one["status"] for one in json.loads(told)["data"]] == statuses
