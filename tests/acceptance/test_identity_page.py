"""The commands of docs/identity.md, typed one after another into one shell."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.pages import ROOT
from tests.programs import find_program
from tests.shells import list_typed, type_commands

PAGE = ROOT / "docs" / "identity.md"
#: Somebody who was there before.
FIRST = """curl -sS "$URL/api/v1.1/profiles/import" -H "Authorization: Bearer $TOKEN" \\
  -d '{"db_id": 1, "email": "ada@example.com", "data": {"_fname": "Ada", "points": 10}}'
"""


def test_an_operator_is_led_through(running: dict[str, Any], tmp_path: Path) -> None:
    find_program("curl")
    people = "email,_fname\nada@example.com,Ida\nnobody@example.com,Nobody\n"
    (tmp_path / "people.csv").write_text(people)
    shell = type_commands([FIRST, *list_typed(PAGE)], running, tmp_path)

    answers = shell.answers
    _, tried, _, undo, _, preview, undone, *merges = answers[:-4]
    assert json.loads(tried)["receipt"]["changes"] == [
        {"path": "points", "old": 10, "new": 15}
    ]
    assert json.loads(undo)["reversed"] == [
        {"path": "_fname", "from": "Augusta", "to": "Ada"}
    ]
    result = "2 reversed, 0 partly, 0 kept, 0 cannot be reversed; 2 profiles"
    assert f"dry run; nothing was written. Result: {result}" in preview
    assert result in undone
    _, foreseen, merged, _, held, listed, named, shown, picked, parted = merges
    assert (merged, held, named) == ("", "", "")
    case = listed.splitlines()[-1].split()
    assert (case[1:3], len(case)) == (["1", "1"], 7)
    assert shown.count("Profile ") == 2
    assert picked.splitlines()[-1].split()[0::2] == ["points", "50"]
    for shown, name in ((foreseen, "Profile"), (parted, "Parted from profile")):
        assert shown.startswith(name)
        paths = [line.split()[0] for line in shown.splitlines() if line]
        # Others have imported her too: of what she has nobody is sure.
        assert {"former_keys[email]", "phones"} <= set(paths)
    assert "Exported" in shell.errors
    check_exports(answers[-4:], tmp_path / "people.ndjson.gz")


def check_exports(answers: list[str], file: Path) -> None:
    exported, downloaded, table, imported = answers
    assert (exported, table) == ("", "")
    last, end = map(json.loads, downloaded.splitlines())
    assert last["matching"] == "profile_id"
    assert end["penstock"]["end"] is True
    with subprocess.Popen(["gzip", "-dc", str(file)], stdout=subprocess.PIPE) as packed:
        assert packed.stdout is not None
        assert b"nobody@example.com" not in packed.stdout.read()
    # Importing the table changes nothing.
    counts = "0 created, 0 updated, [0-9,]+ unchanged, 0 rejected, 0 dead"
    assert re.search(rf": done, [0-9,]+ rows: {counts} ", imported)
