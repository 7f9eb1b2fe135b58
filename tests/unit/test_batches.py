"""Batches to envelopes: contract 3.3, 10.1 and 14, points 60 and 62."""

from typing import Any

import pytest

from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Key, Matching, Operation
from ingest.wire.batches import load_batch, load_element


def load(document: dict[str, Any], limit: int = 3) -> list[object]:
    sent = {"db_id": 1, **document}
    batch = load_batch(sent, operation=Operation.IMPORT, max_elements=limit)
    return list(batch.elements)


def load_one(element: object, **shared: Any) -> Any:
    document = {"db_id": 1, "data": [element], **shared}
    batch = load_batch(document, operation=Operation.UPDATE, max_elements=1)
    return load_element(batch.shared, batch.elements[0])


@pytest.mark.parametrize(
    ("data", "elements"),
    [
        pytest.param([], [], id="none"),
        pytest.param([{}, 5], [{}, 5], id="an array of anything"),
        pytest.param([{}] * 3, [{}] * 3, id="as many as allowed"),
        pytest.param({"a": 1}, [{"a": 1}], id="one object"),
        pytest.param("", [], id="an empty XML element"),
    ],
)
def test_the_elements_are_taken_as_sent(data: object, elements: list[object]) -> None:
    assert load({"data": data}) == elements


@pytest.mark.parametrize(
    ("document", "text"),
    [
        pytest.param({}, "Missing parameter: data", id="absent"),
        pytest.param({"data": None}, "Missing parameter: data", id="null"),
        pytest.param({"data": "text"}, "Must be a list: data", id="text"),
        pytest.param({"data": 7}, "Must be a list: data", id="number"),
        pytest.param(
            {"data": [{}] * 4},
            r"Too many elements \(at most 3\): data",
            id="one too many",
        ),
        pytest.param(
            {"data": [], "db_id": "x"}, "Must be an integer: db_id", id="bad parameter"
        ),
    ],
)
def test_a_bad_request_is_refused_as_a_whole(
    document: dict[str, Any], text: str
) -> None:
    with pytest.raises(InvalidRequest, match=text):
        load(document)


def test_plain_fields_are_the_data() -> None:
    element = {"email": "a@b.io", "_fname": "A"}

    envelope = load_one(element, matching="phone", skip_triggers=True)

    assert envelope.data == element
    assert (envelope.matching, envelope.key) == (Matching.PHONE, Key())
    assert (envelope.skip_triggers, envelope.operation) == (True, Operation.UPDATE)


def test_a_wrapped_element_says_for_itself_what_it_says() -> None:
    own = {"email": "own@b.io", "resource_id": 7, "skip_triggers": False}
    shared = {"email": "a@b.io", "phone": "1", "skip_triggers": True, "resource_id": 1}

    envelope = load_one({"data": {"_fname": "A"}, **own}, **shared)

    assert envelope.data == {"_fname": "A"}
    assert envelope.key == Key(email="own@b.io", phone="1")
    assert (envelope.resource_id, envelope.skip_triggers) == (7, False)


def test_a_wrapped_element_cannot_change_who_asks_and_where() -> None:
    envelope = load_one({"data": {}, "token": "other", "db_id": 2}, token="mine")

    assert (envelope.token, envelope.database_id) == ("mine", 1)


def test_a_field_called_data_that_is_no_object_does_not_wrap() -> None:
    element = {"data": "2024", "email": "a@b.io"}

    assert load_one(element).data == element


@pytest.mark.parametrize(
    ("element", "text"),
    [
        pytest.param("text", "Must be an object: data", id="text"),
        pytest.param(None, "Must be an object: data", id="null"),
        pytest.param([], "Must be an object: data", id="array"),
        pytest.param(
            {"data": {}, "resource_id": "x"},
            "Must be an integer: resource_id",
            id="own",
        ),
    ],
)
def test_a_bad_element_is_refused_alone(element: object, text: str) -> None:
    with pytest.raises(InvalidRequest, match=text):
        load_one(element)


@pytest.mark.parametrize(
    ("element", "shared", "found"),
    [
        pytest.param({"profile_id": "a1"}, {}, "a1", id="profile_id"),
        pytest.param({"id": "a1"}, {}, "a1", id="id"),
        pytest.param({"profile_id": "a1", "id": "b2"}, {}, "a1", id="both"),
        pytest.param({"id": "a1"}, {"profile_id": "c3"}, "c3", id="top level first"),
        pytest.param({"data": {"id": "a1"}}, {}, "a1", id="wrapped"),
        pytest.param({"profile_id": 5}, {}, None, id="not text"),
        pytest.param({"_fname": "A"}, {}, None, id="absent"),
    ],
)
def test_the_profile_id_may_stand_in_the_fields(
    element: dict[str, Any], shared: dict[str, Any], found: str | None
) -> None:
    envelope = load_one(element, matching="profile_id", **shared)

    assert envelope.key.profile_id == found
    assert "profile_id" not in envelope.data


def test_the_id_is_left_alone_in_other_modes() -> None:
    envelope = load_one({"profile_id": "a1"}, matching="email")

    assert envelope.data == {"profile_id": "a1"}
