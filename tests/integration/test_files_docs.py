"""Every `penstock import` of the README and of docs/files.md, as it stands there."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from ingest.settings import Settings
from ingest.wire.suggestions.views import write_map
from tests.drains import draining
from tests.intakes import ServedIntake, served
from tests.programs import find_program
from tests.suggesting import EXPORTS, list_exports
from tests.uploads import send
from tests.workbooks import make_xlsx

ROOT = Path(__file__).parents[2]
COMMANDS = sorted(
    {
        line.partition("  #")[0].strip()
        for document in ("README.md", "docs/files.md", "docs/coming-from.md")
        for line in re.findall(
            r"^\$ (.*penstock import .*)$", (ROOT / document).read_text(), re.MULTILINE
        )
    }
)
_SHOPIFY = "customers_export.csv"
DEADLINE_SECONDS = 60
PEOPLE = "email,_fname\nada@example.com,Ada\n"


def write_files(folder: Path) -> None:
    """Write the files that the documents speak of."""
    (folder / "people.csv").write_text(PEOPLE)
    rejected = "penstock_row,penstock_why,email,_fname\n1,bad,bob@example.com,Bob\n"
    (folder / "people.rejects.csv").write_text(rejected)
    (folder / "crm.csv").write_text("E-mail,Notes,email_sub\na@b.com,x,a@b.com\n")
    (folder / "members.csv").write_text(
        "Mail,State\na@example.com,active\nb@example.com,gone\nc@example.com,\n"
    )
    people = make_xlsx(A=[["email", "_bdate"], ["cy@example.com", "02.09.1963"]])
    (folder / "people.xlsx").write_bytes(people)
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("a.csv", "code,points\n1,2\n")
    document = b'{"phones": ["+442079460018"], "points": 1}\n'
    (folder / "events.ndjson.gz").write_bytes(gzip.compress(document))
    shutil.copy(EXPORTS / "shopify-customers_export.csv", folder / _SHOPIFY)
    (export,) = [one for one in list_exports() if one.name.startswith("shopify")]
    text = write_map(export.propose(), f"penstock import {_SHOPIFY}")
    (folder / f"{_SHOPIFY}.map.toml").write_text(text)
    (folder / "bin").mkdir()
    script = folder / "bin" / "penstock"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ingest.cli "$@"\n')
    script.chmod(0o755)


def test_the_documents_show_how_files_are_imported() -> None:
    assert len(COMMANDS) >= 7


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_works_as_it_stands(
    settings: Settings, tmp_path: Path, command: str
) -> None:
    write_files(tmp_path)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
    }

    with draining(settings):
        ended = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    # Nobody is there to be updated, which is no fault of the command.
    assert ended.returncode == (1 if "--update-only" in command else 0), ended.stderr
    assert ended.stdout


def run_block(intake: ServedIntake, folder: Path, block: str, **names: str) -> str:
    """Run commands as they stand; return what they print."""
    environment = {**os.environ, "URL": intake.url, **names}
    ended = subprocess.run(
        ["/bin/sh", "-e"],
        input=block,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_an_upload_and_its_job_work_as_they_stand(
    settings: Settings, tmp_path: Path, token: str
) -> None:
    find_program("curl")
    write_files(tmp_path)
    text = (ROOT / "docs/files.md").read_text().partition("## Over HTTP")[2]
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    upload, rest, found = (
        re.sub(r"^\$ ", "", one, flags=re.MULTILINE) for one in blocks
    )
    with served(settings) as intake, draining(settings):
        said = json.loads(run_block(intake, tmp_path, upload, TOKEN=token))
        read = [
            run_block(intake, tmp_path, line, TOKEN=token, JOB=said["job_id"])
            for line in rest.splitlines()
        ]
        listed = run_block(intake, tmp_path, found, TOKEN=token)

    assert (said["state"], said["created"], said["name"]) == ("done", 1, "people")
    job, results, rejects, faults, cancel = read
    assert json.loads(job)["state"] == "done"
    assert results.splitlines()[1].startswith("1,")
    assert rejects.splitlines()[0].endswith("email,_fname")
    assert json.loads(faults) == {**json.loads(faults), "rows": 0, "faults": []}
    assert json.loads(cancel)["error"] == 409
    assert [one["job_id"] for one in json.loads(listed)["data"]] == [said["job_id"]]


def test_jobs_are_listed_and_followed_as_it_stands(
    settings: Settings, tmp_path: Path, token: str
) -> None:
    write_files(tmp_path)
    text = (ROOT / "docs/files.md").read_text()
    section = text.partition("## List and follow jobs")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    commands = re.sub(r"^\$ ", "", block, flags=re.MULTILINE).splitlines()
    assert len(commands) == 4
    with served(settings) as intake, draining(settings):
        said = send(intake, token, "email\na@example.com\nbad\n").json()
        names = {
            "JOB": said["job_id"],
            "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
        }
        for command in commands:
            # A job that is done cannot be canceled, which the command says.
            told = f"{command} || true" if " cancel " in command else command
            run_block(intake, tmp_path, told, **names)

    assert "bad" in (tmp_path / "people.rejects.csv").read_text()
