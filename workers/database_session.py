"""The session of one drain at Postgres, and the catalog as it last read it."""

import logging
import time
from datetime import UTC, datetime

from ingest.geo import open_locator
from ingest.settings import Settings
from ingest.store.catalog.load import hold_catalog, load_catalog
from ingest.store.database import Connection, LateConnection
from ingest.store.partitions.leases import ensure_partitions
from ingest.store.profiles.key_makers import find_difference
from ingest.store.receipts.days import create_daily_partitions
from ingest.store.servers import count_lock_room
from ingest.telemetry import metrics
from ingest.wire.profile_schemas import ProfileSchemas
from workers.apply import ROOM
from workers.upkeep import DAYS_AHEAD

logger = logging.getLogger(__name__)

#: Tables and indexes that a batch locks, days of receipts included.
_LOCKS_BESIDE_KEYS = 150
#: Keys that a batch may lock on however small a server.
_LEAST_ROOM = 500
#: How long plans are kept. Those of tables that were analyzed while they were empty may
#: not fit them full; making all of them takes some milliseconds.
PLAN_SECONDS = 10.0


class DatabaseSession:
    """Opened late, and again after it broke."""

    def __init__(self, settings: Settings, name: str) -> None:
        self._settings = settings
        self._database = LateConnection(
            settings.database_url, application_name=name, prepare=self._prepare
        )
        self._planned_at = time.monotonic()
        self._schemas: ProfileSchemas | None = None
        self._locate = open_locator(settings.geoip_database)
        #: How many keys a batch may lock, if each partition has one at once.
        self.room = ROOM

    @property
    def is_open(self) -> bool:
        """Whether a connection was opened that nobody has found broken."""
        return self._database.is_open

    def connect(self) -> Connection:
        """Return the connection, opened if need be; raise what psycopg raises."""
        connection = self._database.get()
        if time.monotonic() - self._planned_at > PLAN_SECONDS:
            connection.execute("DISCARD PLANS")
            self._planned_at = time.monotonic()
        return connection

    def drop_broken(self) -> None:
        """Forget a connection that is closed, so that the next use opens another."""
        self._database.drop_broken()

    def hold_schemas(self, connection: Connection) -> ProfileSchemas:
        """Return the schemas of the catalog, locked until the transaction ends."""
        version = hold_catalog(connection)
        if self._schemas is None or self._schemas.catalog.version != version:
            self._schemas = ProfileSchemas(
                load_catalog(connection, self._settings.profile_limits), self._locate
            )
            metrics.CATALOG_RELOADS.labels("drain").inc()
            logger.info("catalog loaded", extra={"version": version})
        return self._schemas

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        self._database.close()

    def _prepare(self, connection: Connection) -> None:
        self._planned_at = time.monotonic()
        ensure_partitions(connection, self._settings.partitions)
        create_daily_partitions(connection, datetime.now(UTC).date(), DAYS_AHEAD)
        room = count_lock_room(connection) // self._settings.partitions
        self.room = max(room - _LOCKS_BESIDE_KEYS, _LEAST_ROOM)
        if made_by := find_difference(connection):
            logger.warning("match keys of another version", extra={"which": made_by})
