import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.local.children import GroupLayout, list_children

PROGRAM = """
import os
from pathlib import Path
from ingest.local.priority import give_way
give_way(7)
group = Path("/proc/self/autogroup")
told = group.read_text().split() if group.exists() else []  # the first session has none
print(os.nice(0), told[-1] if told else 7)
"""


@pytest.mark.parametrize("leads", [True, False])
def test_a_process_gives_way_and_its_session_if_it_leads_it(leads: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        check=True,
        start_new_session=leads,
    )

    process, session = map(int, done.stdout.split())
    assert process == min(19, os.nice(0) + 7)
    assert (session == 7) or not leads


def test_of_the_group_intakes_give_way(tmp_path: Path) -> None:
    layout = GroupLayout(
        state=tmp_path,
        environ={},
        redis_url="redis://127.0.0.1:1/0",
        listener=3,
        http_port=1,
        exporter_port=1,
        console_listener=10,
        console_port=1,
        intakes=2,
        workers=1,
    )

    nice = {
        child.program.name: child.program.argv[child.program.argv.index("--nice") + 1]
        for child in list_children(layout)
        if "--nice" in child.program.argv
    }

    assert nice == {"intake-1": "5", "intake-2": "5"}
