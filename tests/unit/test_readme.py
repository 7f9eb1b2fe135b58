"""The README and its tables are true: what they name exists, and nothing lacks."""

import re
from pathlib import Path

from ingest.exporter.page import describe_all
from ingest.settings import write_page

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
SETTINGS = (ROOT / "docs/settings.md").read_text()
OPERATIONS = (ROOT / "docs/operations.md").read_text()
TESTS = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))


def test_the_page_of_settings_is_what_the_code_says() -> None:
    assert write_page() == SETTINGS


def test_every_metric_that_is_a_sign_exists() -> None:
    named = set(re.findall(r"`(penstock_[a-z_]+)", OPERATIONS))

    assert named
    assert named <= set(describe_all())


def test_every_promise_names_a_test_that_exists() -> None:
    promised = set(re.findall(r"`(test_\w+)`", README))

    assert len(promised) >= 8
    assert {name for name in promised if f"def {name}(" not in TESTS} == set()


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 130
