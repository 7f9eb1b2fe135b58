"""What detect_geo fills: contract 14, points 39, 42 and 43."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.domain import fields, geo
from ingest.domain.fields import READ_ONLY_FIELDS, SYSTEM_FIELDS
from ingest.domain.geo import Place
from ingest.domain.updates import Action, Update
from ingest.geo import to_place
from tests.geo_files import LONDON, RYAZAN

MOSCOW = Place(
    country="RU",
    region="Moscow",
    city="Moscow",
    postal_code="101000",
    timezone="Europe/Moscow",
    latitude=55.75,
    longitude=37.62,
)
LISBON = Place(country="PT", city="Lisbon")
PLACES = {"94.231.119.122": MOSCOW, "81.2.69.142": LISBON}
MOSCOW_REGISTERED = {"_regcountry": "RU", "_regcity": "Moscow"}
MOSCOW_CURRENT = {
    "_country": "RU",
    "_region": "Moscow",
    "_city": "Moscow",
    "_postal_code": "101000",
    "_tz": "Europe/Moscow",
    "_lat": 55.75,
    "_lon": 37.62,
}


def sent(**values: object) -> dict[str, Update]:
    return {
        name: Update(action=Action.SET, value=value) for name, value in values.items()
    }


@pytest.mark.fact("14.42-geo")
@pytest.mark.parametrize(
    ("given_fields", "filled"),
    [
        pytest.param({}, {}, id="no IP"),
        pytest.param({"_ip": "94.231.119.122"}, MOSCOW_CURRENT, id="the last IP only"),
        pytest.param(
            {"_regip": "94.231.119.122"},
            {**MOSCOW_REGISTERED, **MOSCOW_CURRENT},
            id="the registration IP only",
        ),
        pytest.param(
            {"_regip": "94.231.119.122", "_ip": "81.2.69.142"},
            {**MOSCOW_REGISTERED, "_country": "PT", "_city": "Lisbon"},
            id="each its own",
        ),
        pytest.param(
            {"_regip": "94.231.119.122", "_ip": "10.0.0.1"},
            MOSCOW_REGISTERED,
            id="a private IP is not replaced by the other",
        ),
        pytest.param({"_ip": "8.8.8.8"}, {}, id="unknown"),
        pytest.param(
            {"_ip": "94.231.119.122", "_city": "Tula", "_lat": 1.5},
            {k: v for k, v in MOSCOW_CURRENT.items() if k not in {"_city", "_lat"}},
            id="explicit values win",
        ),
        pytest.param(
            {"_regip": "94.231.119.122", "_regcity": None},
            {"_regcountry": "RU", **MOSCOW_CURRENT},
            id="so does one that clears",
        ),
    ],
)
def test_each_ip_fills_its_own_fields(
    given_fields: dict[str, object], filled: dict[str, object]
) -> None:
    assert geo.fill(sent(**given_fields), PLACES.get) == filled


def test_a_function_is_an_explicit_value_too() -> None:
    updates = {**sent(_ip="94.231.119.122"), "_city": Update(action=Action.UNSET)}

    assert "_city" not in geo.fill(updates, PLACES.get)


def test_an_ip_that_is_taken_away_fills_nothing() -> None:
    assert geo.fill({"_ip": Update(action=Action.UNSET)}, PLACES.get) == {}


def test_a_kept_field_is_not_filled() -> None:
    filled = geo.fill(sent(_ip="81.2.69.142"), PLACES.get, kept=("_city",))

    assert filled == {"_country": "PT"}


@pytest.mark.fact("14.43-explicit")
@pytest.mark.parametrize(
    "ip",
    [
        pytest.param("10.1.2.3", id="private"),
        pytest.param("192.168.0.1", id="home"),
        pytest.param("127.0.0.1", id="loopback"),
        pytest.param("100.64.0.1", id="carrier"),
        pytest.param("169.254.1.1", id="link-local"),
        pytest.param("2a00:1450:4001::1", id="IPv6"),
    ],
)
def test_an_ip_of_no_place_is_not_even_looked_up(ip: str) -> None:
    asked: list[str] = []

    assert geo.fill(sent(_ip=ip, _regip=ip), asked.append) == {}
    assert asked == []


def test_one_ip_is_looked_up_once() -> None:
    asked: list[str] = []
    ip = "94.231.119.122"

    geo.fill(sent(_ip=ip, _regip=ip), asked.append)

    assert asked == [ip]


def test_what_no_field_could_hold_is_left_out() -> None:
    odd = Place(timezone="Mars/Base", latitude=float("nan"), city="", country="RU")

    filled = geo.fill(sent(_ip="8.8.8.8"), {"8.8.8.8": odd}.get)

    assert filled == {"_country": "RU"}


texts = st.none() | st.text(max_size=5) | st.sampled_from(["RU", "Europe/Moscow"])
numbers = st.none() | st.floats()
places = st.builds(
    Place,
    country=texts,
    region=texts,
    city=texts,
    postal_code=texts,
    timezone=texts,
    latitude=numbers,
    longitude=numbers,
)
explicit = st.dictionaries(
    st.sampled_from(["_city", "_country", "_regcity", "_tz"]), st.none() | st.text()
)


@pytest.mark.fact("14.43-explicit")
@given(place=places, explicit=explicit)
def test_what_is_filled_is_canonical_and_never_explicit(
    place: Place, explicit: dict[str, object]
) -> None:
    filled = geo.fill(sent(_regip="8.8.8.8", **explicit), lambda _: place)

    assert not filled.keys() & explicit.keys()
    for name, value in filled.items():
        if name in SYSTEM_FIELDS:
            assert fields.parse(SYSTEM_FIELDS[name], value) == value
        else:
            assert name in READ_ONLY_FIELDS
            assert isinstance(value, float)


@pytest.mark.parametrize(
    ("record", "place"),
    [
        pytest.param(
            RYAZAN,
            Place(
                country="RU",
                region="Ryazan Oblast",
                city="Ryazan",
                postal_code="390000",
                timezone="Europe/Moscow",
                latitude=54.6269,
                longitude=39.6916,
            ),
            id="GeoIP2",
        ),
        pytest.param(
            LONDON,
            Place(
                country="GB",
                region="England",
                city="London",
                latitude=51.5074,
                longitude=-0.127758,
            ),
            id="DB-IP Lite",
        ),
        pytest.param({"country": {"iso_code": "ZZ"}}, Place(), id="no country"),
        pytest.param({"autonomous_system_number": 1}, Place(), id="another database"),
        pytest.param(
            {"city": "x", "subdivisions": [], "location": {"latitude": "1"}},
            Place(),
            id="other shapes",
        ),
        pytest.param("text", Place(), id="no record"),
        pytest.param(
            {"location": {"latitude": 10, "longitude": 0}},
            Place(latitude=10.0, longitude=0.0),
            id="whole degrees",
        ),
    ],
)
def test_a_record_is_read_for_what_it_has(
    record: Mapping[str, object] | str, place: Place
) -> None:
    assert to_place(record) == place
