"""A parameter of an import is declared once: in `Order`, and so at every input."""

import json
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest

from tests.pages import ROOT

#: What is added, and what it is called by producers.
PARAMETER = """    is_rush: Annotated[
        bool, _ask("Apply as soon as possible", name="rush")
    ] = False
"""
#: Asks every input and document about it; prints what each says.
SCRIPT = """
import json
from click.testing import CliRunner
from ingest.cli import main
from ingest.domain.catalog import Catalog
from ingest.domain.imports import Operation
from ingest.doors.http.openapi.document import build_document
from ingest.wire import batches, entries, envelopes, job_parameters, messages
from tests.factories import make_import

sent = {"db_id": 1, "email": "a@b.cd", "data": {}, "rush": "true"}
shared = batches.load_batch(
    {"db_id": 1, "data": []}, operation=Operation.IMPORT, max_elements=1
).shared
upload = job_parameters.load_upload({"db_id": "1", "rush": "1"}, "text/csv")
rushed = make_import("email", {}, key={"email": "a@b.cd"}, is_rush=True)
wrong = {**sent, "rush": "now"}
try:
    envelopes.load_envelope(wrong)
except Exception as error:
    fault = error.faults[0].text
print(json.dumps({
    "request": envelopes.load_envelope(sent).is_rush,
    "fault": fault,
    "element": batches.load_element(shared, {"data": {}, "rush": True}).is_rush,
    "message": messages.load_order({**sent, "account_id": 1}).envelope.is_rush,
    "upload": upload.parameters["rush"],
    "worker": entries.decode(entries.encode(rushed)).is_rush,
    "help": CliRunner().invoke(main, ["import", "--help"]).output,
    "document": build_document(),
}))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what a copy of Penstock says that declares one parameter more."""
    copy = tmp_path_factory.mktemp("penstock")
    for package in ("ingest", "workers", "tests"):
        ignored = shutil.ignore_patterns("__pycache__", "*.png")
        shutil.copytree(ROOT / package, copy / package, ignore=ignored)
    declaration = copy / "ingest/domain/imports.py"
    text = declaration.read_text()
    (line,) = re.findall(r"^    detect_geo: .*\n", text, re.MULTILINE)
    declaration.write_text(text.replace(line, PARAMETER + line))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=copy,
        env={"PATH": "", "PYTHONPATH": str(copy), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("door", ["request", "element", "message", "worker"])
def test_a_declared_parameter_is_read(said: dict[str, Any], door: str) -> None:
    assert said[door] is True


def test_a_declared_parameter_is_read_from_an_upload(said: dict[str, Any]) -> None:
    assert said["upload"] == "1"


def test_a_declared_parameter_is_checked(said: dict[str, Any]) -> None:
    assert said["fault"].startswith("Must be true or false")
    assert said["fault"].endswith(": rush")


def test_a_declared_parameter_is_an_option(said: dict[str, Any]) -> None:
    assert re.search(r"--rush +Apply as soon as possible\.", said["help"])


@pytest.mark.parametrize(
    "path", ["profiles/import", "profiles/import_batch", "profiles/update"]
)
def test_a_declared_parameter_is_in_the_document_of_requests(
    said: dict[str, Any], path: str
) -> None:
    post = said["document"]["paths"][f"/api/v1.1/{path}"]["post"]
    body = post["requestBody"]["content"]["application/json"]["schema"]

    assert body["properties"]["rush"] == {
        "type": "boolean",
        "description": "Apply as soon as possible",
    }


def test_a_declared_parameter_is_in_the_document_of_elements_and_uploads(
    said: dict[str, Any],
) -> None:
    wrapped = said["document"]["components"]["schemas"]["WrappedProfile"]
    upload = said["document"]["paths"]["/api/v1.1/jobs/import"]["post"]

    assert "rush" in wrapped["properties"]
    assert "rush" in [one.get("name") for one in upload["parameters"]]
