"""Which user PostgreSQL runs as."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.programs import find_program

ROOT = Path(__file__).parents[2]

_CHOOSE = """
from ingest.local.accounts import choose_account
from ingest.local.binaries import find_postgres
import os
from tests.programs import find_program
print(choose_account(find_postgres(os.environ)).isolation.value)
"""


def test_a_user_without_a_name_gets_a_namespace_or_a_clear_refusal() -> None:
    as_nobody_known = [find_program("unshare"), "--user", "--map-user=54321"]
    if subprocess.run([*as_nobody_known, "true"], check=False).returncode:
        pytest.skip("user namespaces are not allowed here")

    done = subprocess.run(
        [*as_nobody_known, sys.executable, "-c", _CHOOSE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    # Whether a namespace may hold another is the kernel's to say.
    refusal = "PostgreSQL does not run as user 54321, which has no name"
    assert done.stdout.strip() == "namespace" or refusal in done.stderr
