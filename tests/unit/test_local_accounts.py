"""Which user PostgreSQL runs as."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

_CHOOSE = """
from ingest.local.accounts import choose_account
from ingest.local.binaries import find_postgres
import os
print(choose_account(find_postgres(os.environ)).isolation.value)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces are Linux's")
def test_a_user_without_a_name_gets_a_namespace() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHOOSE],
        cwd=ROOT,
        user=54321,
        group=54321,
        extra_groups=[],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "ermission" in done.stderr:
        pytest.skip("another user may not read this checkout")

    assert done.stdout.strip() == "namespace", done.stderr
