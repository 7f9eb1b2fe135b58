"""Ids that names gave before the secret stay good: nothing is applied twice."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from ingest.domain.identities import Namer
from ingest.domain.imports import Import
from ingest.store.installation import load_namer
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import ServedIntake, make_document, says
from tests.pipeline import Pipeline
from tests.stored import read_points

NAMES = ("idempotency-key", "1", "order-7")
ONE = {"action": "incr", "value": 1}


@pytest.fixture
def namer(connection: Connection) -> Namer:
    return load_namer(connection, receipt_days=30)


@pytest.fixture
def pipeline(connection: Connection) -> Pipeline:
    return Pipeline(connection)


def named(namer: Namer, now: datetime, **changes: object) -> Import:
    """An import that counts how often it is applied, as it is named at `now`."""
    name = namer.name(*NAMES, now=now, fingerprint="f")
    import_ = make_import(
        "email", {"email": "a@b.com", "points": ONE}, key={"email": "a@b.com"}
    )
    return replace(
        import_,
        import_id=name.import_id,
        other_id=name.other_id,
        fingerprint=name.fingerprint,
        **changes,
    )


def moments(namer: Namer) -> list[datetime]:
    """A day before the secret was used, a moment before, and since."""
    before = (timedelta(days=1), timedelta(seconds=1), timedelta())
    return [namer.sealed_from - each for each in before]


def test_every_process_reads_the_same_secret(
    connection: Connection, namer: Namer
) -> None:
    assert load_namer(connection, receipt_days=30) == namer
    assert len(namer.secret) == 32
    assert namer.sealed_from <= datetime.now(UTC)


@pytest.mark.parametrize("first", [0, 1, 2])
@pytest.mark.parametrize("together", [False, True])
def test_a_name_is_applied_once_whichever_id_came_first(
    connection: Connection,
    pipeline: Pipeline,
    namer: Namer,
    first: int,
    together: bool,
) -> None:
    # From a day before on, only releases that know both ids are left.
    asked = moments(namer)[first:]
    again = [named(namer, now) for now in (*asked, *reversed(asked))]

    batches = [again] if together else [[one] for one in again]
    applied = [pipeline.apply_batch(batch) for batch in batches]

    outcomes = [outcome for each in applied for outcome in each.outcomes]
    (outcome,) = outcomes
    assert read_points(connection) == [1]
    told = {answer.import_id for each in applied for answer in each.repeated}
    assert told | {outcome.import_id} == {one.import_id for one in again}
    found = connection.execute("SELECT import_id, profile_id, state FROM imports")
    rows = found.fetchall()
    assert {id_ for id_, *_ in rows} == {one.import_id for one in again}
    assert {tuple(row) for _, *row in rows} == {(outcome.profile_id, "created")}


def test_a_rejected_import_of_before_stays_rejected(
    connection: Connection, pipeline: Pipeline, namer: Namer
) -> None:
    long_before, _, since = moments(namer)
    (outcome,) = pipeline.apply(named(namer, long_before, data={"email": "no"}))

    applied = pipeline.apply_batch([named(namer, since)])

    (answer,) = applied.repeated
    assert (applied.outcomes, answer.error_text) == ([], outcome.error_text)
    assert read_points(connection) == []


def test_a_key_of_before_is_answered_as_then_and_its_receipt_is_found(
    drained: ServedIntake, connection: Connection, token: str, namer: Namer
) -> None:
    """The request was sent to the release before; it is repeated now."""
    key = {"Idempotency-Key": "order-7"}
    document = make_document(token, data={"points": ONE})
    first = drained.post(document, key)
    # As if it had been sent then: under the id that its name gave without the secret.
    (token_id,) = connection.execute("SELECT token_id FROM imports").fetchone() or ()
    _, plain = namer.list_ids("idempotency-key", str(token_id), "order-7")
    connection.execute("UPDATE imports SET import_id = %s", (plain,))

    again = drained.post(document, key)
    other = drained.post(make_document(token, data={"points": 5}), key)

    assert says(again) == says(first)
    assert again.json()["profile_id"] == first.json()["profile_id"]
    assert says(other)[:2] == (200, 409)
    assert read_points(connection) == [1]
    for import_id in (plain, again.headers["Import-Id"]):
        path = f"/api/v1.1/imports/{import_id}"
        receipt = drained.get(path, params={"token": token})
        assert receipt.json()["profile_id"] == first.json()["profile_id"]
