"""`make demo`: the first thing that anyone runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import START_SECONDS
from tests.pages import ROOT


@pytest.mark.timeout(START_SECONDS + 60)
def test_the_demo_shows_every_answer_and_leaves_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ingest.cli", "demo"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=START_SECONDS + 30,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ every answer and profile is as it should be" in done.stdout
    assert '"error":0' in done.stdout
    assert "<error>0</error>" in done.stdout
    assert '"error":400' in done.stdout
    assert list(tmp_path.iterdir()) == []
