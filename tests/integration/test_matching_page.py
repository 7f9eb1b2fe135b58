"""The worked examples of docs/matching.md."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from ingest.domain.imports import Outcome
from ingest.wire.bodies import Format
from tests.conftest import Connection
from tests.documents import read_import
from tests.pipeline import Pipeline

PAGE = Path(__file__).parents[2] / "docs" / "matching.md"
BLOCK = re.compile(r"^```json (\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SECTIONS = {
    title: BLOCK.findall(text)
    for title, _, text in (
        section.partition("\n") for section in PAGE.read_text().split("\n## ")[1:]
    )
}


def show(pipeline: Pipeline, outcome: Outcome) -> dict[str, Any]:
    """Return the profile as the page shows it: what is set, in one mapping."""
    row = pipeline.profile(str(outcome.profile_id))
    own = {name: row[name] for name in ("email", "phones") if row[name]}
    return {**own, **row["fields"]}


@pytest.mark.parametrize(
    "blocks",
    [pytest.param(blocks, id=title) for title, blocks in SECTIONS.items() if blocks],
)
def test_the_examples_of_a_section_do_as_it_says(
    blocks: list[tuple[str, str]], connection: Connection
) -> None:
    pipeline = Pipeline(connection)
    outcome = saved = None
    for number, (kind, text) in enumerate(blocks):
        said = orjson.loads(text)
        if kind == "import":
            document = orjson.dumps({"db_id": 1, **said})
            (outcome,) = pipeline.apply(read_import(document, Format.JSON))
            saved = saved if outcome.error else outcome
            refused = [kind for kind, _ in blocks[number + 1 : number + 2]] == [
                "answer"
            ]
            assert bool(outcome.error) is refused, outcome.error_text
        elif kind == "answer":
            assert outcome is not None
            answer = {"error": outcome.error, "error_text": outcome.error_text}
            assert {name: answer[name] for name in said} == said
        else:
            assert kind == "profile"
            assert saved is not None
            assert show(pipeline, saved) == said


def test_no_example_of_the_page_goes_untried() -> None:
    fences = PAGE.read_text().count("```json")

    assert sum(map(len, SECTIONS.values())) == fences > 20
