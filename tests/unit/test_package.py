"""What a package index shows of a built wheel."""

from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder
from trove_classifiers import classifiers

from tests.unit.test_lock import MACHINES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Message:
    directory = tmp_path_factory.mktemp("wheel")
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(directory))
    with ZipFile(wheel) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith("/METADATA")]
        return message_from_bytes(archive.read(name))


def test_it_says_who_made_it_and_what_it_is_for(shown: Message) -> None:
    assert shown["Author"] == "The Penstock maintainers"
    assert "ingestion" in shown["Keywords"].split(",")
    assert shown["License-Expression"] == "Apache-2.0"
    assert shown["Description-Content-Type"] == "text/markdown"


def test_it_leads_to_all_that_a_user_looks_for(shown: Message) -> None:
    urls = dict(text.split(", ") for text in shown.get_all("Project-URL", []))

    assert urls.keys() >= {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert all(url.startswith("https://") for url in urls.values())


def test_its_classifiers_are_those_that_an_index_knows(shown: Message) -> None:
    named = shown.get_all("Classifier", [])

    assert set(named) <= classifiers
    assert len(named) == len(set(named))


def test_it_names_the_pythons_that_the_locks_are_made_for(shown: Message) -> None:
    prefix = "Programming Language :: Python :: 3."
    versions = {
        name.removeprefix(prefix)
        for name in shown.get_all("Classifier", [])
        if name.startswith(prefix)
    }

    locked = {str(case.values[0]).split(".")[1] for case in MACHINES}
    assert versions == locked
    assert shown["Requires-Python"] == ">=3.11"
