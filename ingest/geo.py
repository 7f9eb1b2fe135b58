"""The geo database: a file of MaxMind's format, such as GeoLite2 or DB-IP City."""

import logging
import os
import time
from collections.abc import Mapping

import maxminddb

from ingest.domain.geo import Locate, Place
from ingest.telemetry import metrics

logger = logging.getLogger(__name__)

#: How often the file is looked at for a change, at most.
CHECK_SECONDS = 1.0
#: What DB-IP says of addresses that are in no country.
_NOWHERE = "ZZ"
#: What a file raises that is not there, or damaged somewhere.
_FAULTS = (
    maxminddb.InvalidDatabaseError,
    OSError,
    RecursionError,
    TypeError,
    ValueError,
)


class Locator:
    """Looks addresses up in the file at `path`, as it is at the time.

    A missing or broken file is a warning, once, and finds nothing until it is
    replaced.
    """

    def __init__(self, path: str, check_seconds: float = CHECK_SECONDS) -> None:
        self._path = path
        self._check_seconds = check_seconds
        self._reader: maxminddb.Reader | None = None
        self._identity: tuple[int, ...] | None = None
        self._checks_at = 0.0
        self._warned = False
        self._open(self._identify())

    def locate(self, ip: str) -> Place | None:
        """Return where `ip` is; None if unknown, and if the file is of no use."""
        self._follow()
        if self._reader is None:
            metrics.GEO_LOOKUPS.labels("failed").inc()
            return None
        try:
            record = self._reader.get(ip)
        except _FAULTS as error:
            self._warn(error)
            metrics.GEO_LOOKUPS.labels("failed").inc()
            return None
        metrics.GEO_LOOKUPS.labels("unknown" if record is None else "found").inc()
        return None if record is None else to_place(record)

    def close(self) -> None:
        """Let go of the file."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _identify(self) -> tuple[int, ...] | None:
        """Return what differs when the file is another; None if there is none."""
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns

    def _follow(self) -> None:
        """Open the file anew if it has changed, looking at it now and then."""
        if time.monotonic() < self._checks_at:
            return
        self._checks_at = time.monotonic() + self._check_seconds
        identity = self._identify()
        if identity != self._identity:
            self._open(identity)

    def _open(self, identity: tuple[int, ...] | None) -> None:
        # Identified before it is opened: a change in between is seen at the next look.
        self.close()
        self._identity = identity
        self._checks_at = time.monotonic() + self._check_seconds
        self._warned = False
        try:
            # In memory and in Python: the C reader crashes on a damaged file, and a
            # mapped one that is overwritten ends the process. Ours may do neither.
            self._reader = maxminddb.open_database(self._path, maxminddb.MODE_MEMORY)
        except _FAULTS as error:
            self._warn(error)
            return
        built = self._reader.metadata()
        logger.info(
            "geo database opened",
            extra={"type": built.database_type, "built": built.build_epoch},
        )

    def _warn(self, error: Exception) -> None:
        """Say what is wrong with the file, once for each state of it."""
        if not self._warned:
            self._warned = True
            logger.warning(
                "geo database unusable",
                extra={"path": self._path, "error": str(error)},
            )


def open_locator(path: str) -> Locate | None:
    """Return what looks addresses up in the file at `path`; None for an empty path."""
    return Locator(path).locate if path else None


def to_place(record: object) -> Place:
    """Read a City record; what is missing or of another shape is left out."""
    country = _text(record, "country", "iso_code")
    return Place(
        country=None if country == _NOWHERE else country,
        # The first subdivision is the largest.
        region=_text(record, "subdivisions", 0, "names", "en"),
        city=_text(record, "city", "names", "en"),
        postal_code=_text(record, "postal", "code"),
        timezone=_text(record, "location", "time_zone"),
        latitude=_number(record, "location", "latitude"),
        longitude=_number(record, "location", "longitude"),
    )


def _at(record: object, path: tuple[str | int, ...]) -> object:
    for step in path:
        if isinstance(record, Mapping):
            record = record.get(step)
        elif isinstance(record, list) and record and step == 0:
            record = record[0]
        else:
            return None
    return record


def _text(record: object, *path: str | int) -> str | None:
    value = _at(record, path)
    return value if isinstance(value, str) and value else None


def _number(record: object, *path: str | int) -> float | None:
    value = _at(record, path)
    return float(value) if isinstance(value, int | float) else None
