"""The bench sends what it says and judges what it found; nothing is measured here."""

from itertools import islice

import orjson
import pytest

from ingest.domain.imports import Operation
from ingest.wire.batches import load_batch, load_element
from ingest.wire.bodies import decode
from ingest.wire.envelopes import load_envelope
from tests.benchmarks.render import FRESH, MIXED, USUAL, make_tables_of
from tests.benchmarks.requests import FIRST_KNOWN, Imports


def bodies(count: int, **changes: object) -> list[bytes]:
    imports = Imports(host="here", token="secret", **changes)  # type: ignore[arg-type]
    return [one.partition(b"\r\n\r\n")[2] for one in islice(imports, count)]


def numbers(count: int, **changes: object) -> list[int]:
    found = [orjson.loads(body)["email"] for body in bodies(count, **changes)]
    return [int(email.removeprefix("customer")[:12]) for email in found]


def test_new_customers_never_come_again() -> None:
    assert len(set(numbers(50))) == 50


def test_known_customers_are_those_the_database_was_filled_with() -> None:
    found = numbers(200, kind="update", known=10)

    assert set(found) == set(range(FIRST_KNOWN, FIRST_KNOWN + 10))


def test_a_mixture_takes_known_and_new_customers_in_turn() -> None:
    known = [number >= FIRST_KNOWN for number in numbers(10, kind="mixed", known=10)]

    assert known == [True, False] * 5


def test_hot_keys_are_a_hundredth_that_gets_half() -> None:
    found = numbers(2000, kind="update", known=1000, hot=True)

    hot = sum(number < FIRST_KNOWN + 10 for number in found)
    assert 900 < hot < 1150


def test_a_batch_holds_profiles_that_are_found_by_email() -> None:
    (body,) = bodies(1, batch=3)

    batch = load_batch(orjson.loads(body), operation=Operation.IMPORT, max_elements=10)

    assert [load_element(batch.shared, one).key.email for one in batch.elements] == [
        orjson.loads(body)["data"][number]["email"] for number in range(3)
    ]


def test_xml_is_an_import_too() -> None:
    (body,) = bodies(1, xml=True)

    _, document = decode(body, "application/xml")

    assert load_envelope(document).data["_fname"] == "Olly"


def make_run(name: str, rate: float) -> dict[str, object]:
    return {
        "name": name,
        "per_second": rate,
        "applied_per_second": rate,
        "p50_ms": 1.0,
        "p99_ms": 2.0,
        "queue_p99_ms": 3.0,
        "cpu_us": {"intake": 150.0},
    }


def render(*runs: dict[str, object]) -> str:
    document = {"facts": {}, "seconds": 8, "repeats": 1, "measured": runs}
    return make_tables_of(document)


@pytest.mark.parametrize(("rate", "met"), [(1500.0, "yes"), (1490.0, "no")])
def test_a_target_is_met_from_its_limit_on(rate: float, met: str) -> None:
    tables = render(make_run(MIXED, rate), make_run(USUAL, 100.0))

    name = "256 waiting, mixed, times the usual design"
    assert f"| {name} | ≥ 15 | {rate / 100:,.2f} | {met} |" in tables
    assert "| idle latency p50, ms | ≤ 4.5 | not measured | |" in tables


def test_cpu_time_is_compared_with_that_of_copy() -> None:
    floor = {"name": "floor: COPY", "per_second": 9000.0}
    cost = {"worker_us": 5.0, "postgres_us": 100.0}
    document = {"facts": {}, "seconds": 8, "repeats": 1, "stage": [floor | cost]}

    tables = make_tables_of(document | {"measured": [make_run(MIXED, 2000.0)]})

    name = "CPU time of the intake, times that of COPY"
    assert f"| {name} | ≤ 1.6 | 1.50 | yes |" in tables


def test_a_ratio_is_that_of_runs_made_in_one_turn() -> None:
    turns = [(1000.0, 100.0), (200.0, 20.0), (300.0, 10.0)]

    tables = render(
        *[make_run(MIXED, ours) for ours, _ in turns],
        *[make_run(USUAL, theirs) for _, theirs in turns],
    )

    name = "256 waiting, mixed, times the usual design"
    assert f"| {name} | ≥ 15 | 10.00 | no |" in tables


@pytest.mark.parametrize(("worst", "met"), [(500.0, "yes"), (490.0, "no")])
def test_of_fresh_databases_the_worst_round_counts(worst: float, met: str) -> None:
    rates = [900.0, 1000.0, worst]

    tables = render(*[make_run(FRESH, rate) for rate in rates])

    share = f"{worst / 1000:.2f}"
    name = "fresh database, worst round as a share of the best"
    assert f"| {name} | ≥ 0.5 | {share} | {met} |" in tables
