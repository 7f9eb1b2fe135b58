"""Small City databases, written as their makers write them."""

from collections.abc import Mapping
from pathlib import Path

from mmdb_writer import MMDBWriter
from netaddr import IPSet

SEED_IP = "94.231.119.122"
RYAZAN: Mapping[str, object] = {
    "country": {"iso_code": "RU", "names": {"en": "Russia", "de": "Russland"}},
    "subdivisions": [{"iso_code": "RYA", "names": {"en": "Ryazan Oblast"}}],
    "city": {"names": {"en": "Ryazan", "de": "Rjasan"}},
    "postal": {"code": "390000"},
    "location": {
        "latitude": 54.6269,
        "longitude": 39.6916,
        "time_zone": "Europe/Moscow",
        "accuracy_radius": 20,
    },
}
LONDON_IP = "81.2.69.142"
#: What DB-IP Lite has: no codes, no postal code, no time zone.
LONDON: Mapping[str, object] = {
    "country": {"iso_code": "GB", "names": {"en": "United Kingdom"}},
    "subdivisions": [{"names": {"en": "England"}}],
    "city": {"names": {"en": "London"}},
    "location": {"latitude": 51.5074, "longitude": -0.127758},
}
PLACES = {"94.231.119.0/24": RYAZAN, "81.2.69.0/24": LONDON}


def write_geo_file(
    path: Path, places: Mapping[str, Mapping[str, object]] = PLACES
) -> None:
    """Put a database of `places` by network at `path`, at once."""
    writer = MMDBWriter(
        6,
        "Test-City",
        languages=["en"],
        description="A test's own",
        ipv4_compatible=True,
    )
    for network, record in places.items():
        writer.insert_network(IPSet([network]), dict(record))
    written = path.with_suffix(".new")
    writer.to_db_file(str(written))
    written.replace(path)
