"""Segments of an import: contract section 8 and 14, point 53."""

import pytest

from ingest.domain.imports import State
from ingest.wire.bodies import Format
from tests.documents import send
from tests.pipeline import Pipeline

FORMATS = pytest.mark.parametrize(
    "format_", [pytest.param(one, id=one.value) for one in Format]
)


@pytest.mark.fact("8-created-updated", "8-add-remove", "14.53-remove-wins")
@FORMATS
def test_segments_hold_for_created_and_updated_profiles(
    pipeline: Pipeline, format_: Format
) -> None:
    created = send(pipeline, format_, {}, add_to_segments=[1, 2])
    updated = send(
        pipeline, format_, {}, add_to_segments=[1, 3], remove_from_segments=[1]
    )

    assert (created.state, updated.state) == (State.CREATED, State.UPDATED)
    members = pipeline.connection.execute(
        "SELECT segment_id FROM segment_members ORDER BY segment_id"
    )
    assert [number for (number,) in members] == [2, 3]
