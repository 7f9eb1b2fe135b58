"""What is counted of imports and requests, by which labels."""

from collections.abc import Iterator

import pytest
import redis
from msgspec.structs import replace
from prometheus_client import REGISTRY

from ingest.settings import Settings
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.drains import draining
from tests.factories import make_import
from tests.intakes import ServedIntake, make_document, served, wait_until
from workers.drain import Drain


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Rises:
    """How far a metric has risen since the test began."""

    def __init__(self) -> None:
        self._before = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in REGISTRY.collect()
            for sample in family.samples
        }

    def __call__(self, name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return value(name, **labels) - self._before.get(key, 0.0)


@pytest.fixture
def rise() -> Rises:
    return Rises()


def test_what_comes_of_imports_is_counted_by_each_label_alone(
    drain: Drain, redis_url: str, rise: Rises
) -> None:
    good = make_import("email", {}, key={"email": "a@example.com"})
    good = replace(good, door="broker")
    bad = make_import("phone", {}, key={"phone": "nonsense"})
    with redis.Redis.from_url(redis_url) as client:
        client.xadd(stream_key(0), {"import": encode(good)})
        client.xadd(stream_key(0), {"import": encode(bad)})
        client.xadd(stream_key(0), {"import": b"not an import"})

    drain.run(lambda _: None)

    assert rise("penstock_processed_total", state="created", code="0") == 1
    assert rise("penstock_processed_total", state="rejected", code="400") == 1
    by_door = "penstock_processed_by_door_total"
    assert rise(by_door, door="broker", state="created") == 1
    assert rise(by_door, door="http", state="rejected") == 1
    by_database = "penstock_processed_by_database_total"
    assert rise(by_database, database="1", state="created") == 1
    by_matching = "penstock_processed_by_matching_total"
    assert rise(by_matching, matching="phone", state="rejected") == 1
    assert rise("penstock_dead_letters_total") == 1
    assert rise("penstock_batch_size_sum") == 3
    assert rise("penstock_drain_seconds_count") == 1
    for stage in ("read", "load", "merge", "write", "commit", "settle"):
        assert rise("penstock_stage_seconds_count", stage=stage) == 1
    stages = sum(
        rise("penstock_stage_seconds_sum", stage=stage)
        for stage in ("read", "load", "merge", "write", "commit", "settle")
    )
    assert stages <= rise("penstock_drain_seconds_sum")


def test_two_profiles_that_match_are_counted_as_a_conflict(
    drain: Drain, redis_url: str, rise: Rises
) -> None:
    phone = "+442079460018"
    with redis.Redis.from_url(redis_url) as client:
        for name in ("a", "b"):
            email = f"{name}@example.com"
            one = make_import("email", {"phones": [phone]}, key={"email": email})
            client.xadd(stream_key(0), {"import": encode(one)})
        both = make_import("phone", {}, key={"phone": phone})
        client.xadd(stream_key(0), {"import": encode(both)})

    drain.run(lambda _: None)

    assert rise("penstock_conflicts_total", matching="phone") == 1


@pytest.fixture
def intake(settings: Settings) -> Iterator[ServedIntake]:
    with draining(settings), served(settings) as opened:
        yield opened


def test_requests_are_counted_by_path_format_and_status(
    intake: ServedIntake, token: str, rise: Rises
) -> None:
    intake.post(make_document(token))
    intake.post(b"{", {"content-type": "application/json"})
    intake.get("/api/v1.1/imports/01a20b4f-1cd3-744b-9db7-53600be31cb2")
    intake.get("/no/such/path")

    def requests(path: str, format_: str, status: int) -> float:
        return rise(
            "penstock_requests_total",
            path=path,
            format=format_,
            status=str(status),
        )

    assert requests("profiles/import", "json", 200) == 1
    assert requests("profiles/import", "none", 400) == 1
    assert requests("imports/{import_id}", "none", 401) == 1
    assert requests("unknown", "none", 404) == 1
    assert rise("penstock_intake_seconds_count", path="profiles/import") == 2
    assert rise("penstock_accepted_total", door="http", database="1") == 1
    assert rise("penstock_refused_total", door="http", code="400") == 1


def test_a_batch_is_counted_by_its_elements(
    intake: ServedIntake, token: str, rise: Rises
) -> None:
    elements = [{"email": f"{number}@example.com"} for number in range(5)]

    intake.post(
        {"token": token, "db_id": 1, "matching": "email", "data": elements},
        path="/api/v1.1/profiles/import_batch",
    )

    assert rise("penstock_accepted_total", door="http", database="1") == 5
    created = {"door": "http", "state": "created"}
    # It is counted when the caller has been told.
    wait_until(lambda: rise("penstock_processed_by_door_total", **created) == 5)
