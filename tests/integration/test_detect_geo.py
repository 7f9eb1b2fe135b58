"""detect_geo through the apply path with a real file: contract 14, 39, 42 and 43."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.domain.geo import Place
from ingest.domain.imports import Outcome, State
from ingest.geo import Locator, open_locator
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.receipts.read import count_unlocated
from ingest.telemetry import metrics
from ingest.wire.profile_schemas import ProfileSchemas
from tests.conftest import Connection
from tests.drains import draining
from tests.factories import make_import
from tests.geo_files import LONDON, LONDON_IP, SEED_IP, write_geo_file
from tests.intakes import served
from tests.pipeline import Pipeline

RYAZAN_REGISTERED = {"_regcountry": "RU", "_regcity": "Ryazan"}
RYAZAN_CURRENT = {
    "_country": "RU",
    "_region": "Ryazan Oblast",
    "_city": "Ryazan",
    "_postal_code": "390000",
    "_tz": "Europe/Moscow",
    "_lat": 54.6269,
    "_lon": 39.6916,
}
LONDON_CURRENT = {
    "_country": "GB",
    "_region": "England",
    "_city": "London",
    "_lat": 51.5074,
    "_lon": -0.127758,
}


@pytest.fixture
def geo_file(tmp_path: Path) -> Path:
    path = tmp_path / "city.mmdb"
    write_geo_file(path)
    return path


@pytest.fixture
def locator(geo_file: Path) -> Iterator[Locator]:
    opened = Locator(str(geo_file), check_seconds=0)
    yield opened
    opened.close()


@pytest.fixture
def located(connection: Connection, locator: Locator) -> Pipeline:
    return Pipeline(
        connection, ProfileSchemas(load_catalog(connection), locator.locate)
    )


def ask(
    pipeline: Pipeline, data: dict[str, Any], by: str = "email", **changes: Any
) -> Outcome:
    """Apply an import that asks for geo."""
    defaults: dict[str, Any] = {"key": {"email": "ann@example.com"}, "detect_geo": True}
    (outcome,) = pipeline.apply(make_import(by, data, **defaults | changes))
    assert outcome.error == 0, outcome.error_text
    return outcome


def location(pipeline: Pipeline, outcome: Outcome) -> dict[str, object]:
    """Return what is stored, without the IPs."""
    fields: dict[str, object] = pipeline.profile(str(outcome.profile_id))["fields"]
    return {
        name: value
        for name, value in fields.items()
        if name in RYAZAN_REGISTERED | RYAZAN_CURRENT
    }


@pytest.mark.fact("14.42-geo")
@pytest.mark.parametrize(
    ("data", "stored"),
    [
        pytest.param({"_ip": SEED_IP}, RYAZAN_CURRENT, id="the last IP only"),
        pytest.param(
            {"_regip": SEED_IP},
            RYAZAN_REGISTERED | RYAZAN_CURRENT,
            id="the registration IP only",
        ),
        pytest.param(
            {"_regip": SEED_IP, "_ip": LONDON_IP},
            RYAZAN_REGISTERED | LONDON_CURRENT,
            id="both",
        ),
        pytest.param({"_ip": f"::ffff:{SEED_IP}"}, RYAZAN_CURRENT, id="IPv4 in IPv6"),
        pytest.param(
            {"_ip": SEED_IP, "_city": "Tula", "_tz": {"action": "unset"}, "_lat": 1},
            {k: v for k, v in RYAZAN_CURRENT.items() if k != "_tz"} | {"_city": "Tula"},
            id="explicit values win, read-only ones do not",
        ),
        pytest.param(
            {"_ip": SEED_IP, "_city": None}, RYAZAN_CURRENT, id="null is none"
        ),
        pytest.param({"_ip": "192.168.0.1", "_regip": "10.0.0.1"}, {}, id="private"),
        pytest.param({"_ip": "8.8.8.8"}, {}, id="unknown"),
        pytest.param({"_ip": "2a00:1450:4001::1"}, {}, id="IPv6"),
        pytest.param({"_fname": "Ann"}, {}, id="no IP"),
    ],
)
def test_detect_geo_fills_from_the_ips_of_this_import(
    located: Pipeline, data: dict[str, Any], stored: dict[str, object]
) -> None:
    assert location(located, ask(located, data)) == stored


def test_an_import_that_does_not_ask_is_left_as_it_is(located: Pipeline) -> None:
    outcome = ask(located, {"_ip": SEED_IP}, detect_geo=False)

    assert location(located, outcome) == {}


@pytest.mark.fact("14.43-explicit")
def test_without_a_database_detect_geo_does_nothing(pipeline: Pipeline) -> None:
    outcome = ask(pipeline, {"_ip": SEED_IP})

    assert location(pipeline, outcome) == {}
    assert open_locator("") is None
    (told,) = outcome.skipped
    assert told.path == "detect_geo"
    assert "GEOIP_DATABASE" in told.message
    assert count_unlocated(pipeline.connection) == 1


@pytest.mark.parametrize(
    ("data", "changes"),
    [
        pytest.param({"_ip": SEED_IP}, {"detect_geo": False}, id="not asked"),
        pytest.param({"_fname": "Ann"}, {}, id="no address"),
        pytest.param({"_ip": {"action": "unset"}}, {}, id="an address that goes"),
    ],
)
def test_without_a_database_nothing_is_told_where_nothing_was_to_be_found(
    pipeline: Pipeline, data: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert ask(pipeline, data, **changes).skipped == ()
    assert count_unlocated(pipeline.connection) == 0


def test_a_stored_ip_fills_nothing_later(located: Pipeline) -> None:
    ask(located, {"_ip": SEED_IP}, detect_geo=False)

    assert location(located, ask(located, {"_fname": "Ann"})) == {}


def test_a_repeated_location_is_no_change_and_a_new_one_is(located: Pipeline) -> None:
    ask(located, {"_ip": SEED_IP})
    repeated = ask(located, {"_ip": SEED_IP})
    moved = ask(located, {"_ip": LONDON_IP})

    assert repeated.state is State.UNCHANGED
    assert moved.changes["_city"] == ("Ryazan", "London")
    assert moved.changes["_lat"] == (54.6269, 51.5074)


def test_the_key_that_finds_a_profile_is_not_filled_over(located: Pipeline) -> None:
    key = {"field_name": "_city", "field_value": "Tula"}
    created = ask(located, {"_ip": SEED_IP}, by="custom", key=key)
    found = ask(located, {"_ip": SEED_IP}, by="custom", key=key)

    assert location(located, created) == RYAZAN_CURRENT | {"_city": "Tula"}
    assert found.profile_id == created.profile_id


def test_a_replaced_file_is_picked_up(locator: Locator, geo_file: Path) -> None:
    before = locator.locate(SEED_IP)
    write_geo_file(geo_file, {"94.231.119.0/24": LONDON})
    after = locator.locate(SEED_IP)

    assert before is not None
    assert after is not None
    assert (before.city, after.city) == ("Ryazan", "London")


def test_a_change_is_looked_for_only_now_and_then(geo_file: Path) -> None:
    locator = Locator(str(geo_file), check_seconds=3600)
    write_geo_file(geo_file, {"94.231.119.0/24": LONDON})
    place = locator.locate(SEED_IP)
    locator.close()

    assert place is not None
    assert place.city == "Ryazan"


def count(result: str) -> float:
    return float(metrics.GEO_LOOKUPS.labels(result)._value.get())


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"no database at all", id="of another format"),
    ],
)
def test_an_unusable_file_warns_once_and_counts_until_it_is_mended(
    tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "city.mmdb"
    if content is not None:
        path.write_bytes(content)
    failed, found = count("failed"), count("found")

    with caplog.at_level(logging.WARNING, logger="ingest.geo"):
        locator = Locator(str(path), check_seconds=0)
        started = len(caplog.records)
        places = [locator.locate(SEED_IP) for _ in range(3)]
    write_geo_file(path)
    mended = locator.locate(SEED_IP)
    locator.close()

    assert started == len(caplog.records) == 1
    assert places == [None] * 3
    assert mended is not None
    assert count("failed") - failed == 3
    assert count("found") - found == 1


def test_a_file_that_goes_away_is_missed_and_found_again(
    locator: Locator, geo_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    geo_file.unlink()
    gone = locator.locate(SEED_IP)
    write_geo_file(geo_file)
    back = locator.locate(SEED_IP)

    assert gone is None
    assert back is not None
    assert [record.levelname for record in caplog.records if record.levelno > 20] == [
        "WARNING"
    ]


def test_a_file_broken_inside_is_no_error_of_the_import(
    located: Pipeline, geo_file: Path, locator: Locator
) -> None:
    content = geo_file.read_bytes()
    start = content.index(b"\0" * 16) + 16
    end = content.rindex(b"\xab\xcd\xefMaxMind.com")
    broken = geo_file.with_suffix(".broken")
    broken.write_bytes(content[:start] + b"\xff" * (end - start) + content[end:])
    broken.replace(geo_file)
    failed = count("failed")

    outcome = ask(located, {"_ip": SEED_IP})

    assert location(located, outcome) == {}
    assert count("failed") - failed == 1


@given(
    damage=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=6
    ),
    kept=st.floats(0, 1) | st.just(1.0),
)
@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_damage_to_the_file_raises_or_ends_the_process(
    tmp_path: Path, damage: list[tuple[float, int]], kept: float
) -> None:
    path = tmp_path / "city.mmdb"
    write_geo_file(path)
    content = bytearray(path.read_bytes())
    for where, byte in damage:
        content[int(where * len(content))] = byte
    path.write_bytes(content[: round(kept * len(content))])

    locator = Locator(str(path))
    place = locator.locate(SEED_IP)
    locator.close()

    assert place is None or isinstance(place, Place)


def test_a_file_that_is_overwritten_in_place_is_picked_up(
    locator: Locator, geo_file: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.mmdb"
    write_geo_file(other, {"94.231.119.0/24": LONDON})
    geo_file.write_bytes(b"")
    emptied = locator.locate(SEED_IP)
    geo_file.write_bytes(other.read_bytes())
    place = locator.locate(SEED_IP)

    assert emptied is None
    assert place is not None
    assert place.city == "London"


def test_the_setting_leads_from_a_request_to_a_place(
    settings: Settings, connection: Connection, geo_file: Path, token: str
) -> None:
    settings = replace(settings, geoip_database=str(geo_file))
    body = {
        "token": token,
        "db_id": 1,
        "matching": "email",
        "email": "geo@example.com",
        "detect_geo": True,
        "data": {"_ip": LONDON_IP},
    }

    with served(settings) as intake, draining(settings):
        answer = intake.post(body).json()

    stored = Pipeline(connection).profile(answer["profile_id"])["fields"]
    assert stored == {"_ip": LONDON_IP, **LONDON_CURRENT}
