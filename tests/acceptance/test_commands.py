"""Every command that a page tells a reader to type is run, here or elsewhere."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.pages import ROOT, Command, read_blocks, read_commands
from tests.shells import make_environ

#: Pages whose commands have a test of their own.
FOLLOWED = {
    "docs/coming-from.md": "test_files_docs.py",
    "docs/consent.md": "test_consent_page.py",
    "docs/suppression.md": "test_suppression_page.py",
    "docs/files.md": "test_files_docs.py",
    "docs/identity.md": "test_identity_page.py",
    "docs/requests.md": "test_requests.py",
    "docs/segments.md": "test_segments_page.py",
    "docs/tutorial.md": "test_tutorial.py",
}
#: What is run by another test, or why it cannot be run on any machine.
ELSEWHERE = {
    r"make (test|check|lint|oldest|newest)|bash \.ci/run": "this very run",
    r"make demo": "test_demo.py",
    r"make up|penstock up ": "test_supervisor.py",
    r"make (bench|fuzz|chaos)": "takes longer than a test may; its short form is one",
    r"newman ": "test_postman.py",
    r"penstock (consume|console)\b": "runs until it is stopped",
    r"pg_dump|createdb|psql |DATABASE_URL=\S+_restored": "test_backup.py",
    r"kubectl ": "needs a cluster; test_deploy_checks.py checks what it is given",
    r"journalctl ": "needs a host that systemd runs",
    r"redis-cli ": "test_broker_redis.py sends the same by a client",
    r"penstock imports show IMPORT_ID": "test_operations.py, with an id that exists",
    r"penstock dead-letters show IMPORT_ID": "test_dead_cli.py, with an id that exists",
    r"penstock dead-letters add ": "test_dead_letter_moves.py, of an entry there is",
}
#: These name what does not exist here, or ask and are not answered.
MAY_REFUSE = (
    r"penstock dead-letters (show|replay|discard) ",
    r"penstock imports show ",
    r"penstock events resend [0-9a-f]{8}-",
    r"penstock token (rotate|rate) ",
    r"penstock catalog apply catalog.toml( |$)",
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))


def typed() -> dict[str, Command]:
    """Return the commands to run here, by their page and number."""
    return {
        f"{page.relative_to(ROOT)}:{number}": command
        for page in PAGES
        if str(page.relative_to(ROOT)) not in FOLLOWED
        for number, command in enumerate(
            command
            for block in read_blocks(page)
            if block.kind == "console"
            for command in read_commands(block)
        )
        if not any(re.match(pattern, command.text) for pattern in ELSEWHERE)
    }


COMMANDS = typed()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the files that the pages name."""
    directory = tmp_path_factory.mktemp("reader")
    (directory / "people.csv").write_text("email,_fname\nada@example.com,Ada\n")
    shutil.copy(ROOT / "ingest/local/demo.toml", directory / "catalog.toml")
    return directory


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_of_a_page_does_what_it_is_there_for(
    name: str, running: dict[str, Any], place: Path
) -> None:
    text = COMMANDS[name].text.replace("http://127.0.0.1:8080", running["http"])
    may_refuse = any(re.match(pattern, text) for pattern in MAY_REFUSE)

    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", text],
        cwd=place,
        env=make_environ(running),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode in ((0, 1) if may_refuse else (0,)), done.stderr
    assert "Usage:" not in done.stderr
    if "curl" in text and "/imports/" not in text:
        assert '"error":0' in done.stdout or "<error>0</error>" in done.stdout


def test_whoever_runs_the_others_exists() -> None:
    named = re.findall(
        r"test_\w+\.py", " ".join([*FOLLOWED.values(), *ELSEWHERE.values()])
    )

    assert set(named) <= {path.name for path in TESTS}
    assert len(COMMANDS) >= 20
