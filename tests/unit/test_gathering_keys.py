"""A batch wants no more locks than there is room for, and keeps its order."""

import pytest

from ingest.domain.catalog import Catalog
from ingest.domain.imports import Import
from ingest.domain.limits import ProfileLimits
from ingest.wire.profile_schemas import ProfileSchemas
from tests.factories import by_email, make_catalog
from workers.load import Gathered, gather


def tagged(number: int, tags: int) -> Import:
    named = [f"{number}.{tag}" for tag in range(tags)]
    return by_email(f"n{number}@example.com", {"interests": named})


def gathered(*imports: Import, room: int, catalog: Catalog | None = None) -> Gathered:
    catalog = catalog or make_catalog()
    schemas = ProfileSchemas(catalog)
    return gather([schemas.prepare(one) for one in imports], catalog, room)


@pytest.mark.parametrize(
    ("room", "taken"),
    [
        pytest.param(1, 1, id="one at least"),
        pytest.param(23, 1, id="none that does not fit"),
        pytest.param(24, 2, id="as many as fit"),
        pytest.param(1000, 5, id="all"),
    ],
)
def test_the_first_imports_are_taken_as_far_as_there_is_room(
    room: int, taken: int
) -> None:
    imports = [tagged(number, 10) for number in range(5)]

    found = gathered(*imports, room=room)

    assert [one.import_ for one in found.prepared] == imports[:taken]
    assert found.wanted.size <= max(room, 12)


def test_none_overtakes_one_that_does_not_fit() -> None:
    imports = [tagged(0, 10), tagged(1, 500), tagged(2, 1)]

    found = gathered(*imports, room=100)

    assert [one.import_ for one in found.prepared] == imports[:1]


def test_keys_that_imports_share_are_locked_once() -> None:
    imports = [by_email("a@example.com", {"interests": ["x"] * 9})] * 50

    assert len(gathered(*imports, room=10).prepared) == 50


def test_an_import_with_more_keys_than_any_may_have_is_rejected() -> None:
    catalog = make_catalog()
    object.__setattr__(catalog, "limits", ProfileLimits(profile_keys=20))

    found = gathered(tagged(0, 30), tagged(1, 10), room=100, catalog=catalog)

    texts = [[fault.text for fault in one.faults] for one in found.prepared]
    assert texts == [
        ["At most 20 contacts, tags and values to be found by are allowed: data"],
        [],
    ]
    assert found.wanted.size <= 20
