"""The catalog and the tokens, kept so that accepting an import needs no Postgres."""

import asyncio
import logging
from asyncio import Task
from contextlib import suppress
from datetime import UTC, datetime

import psycopg

from ingest.domain.catalog import Catalog
from ingest.domain.errors import Forbidden, Unauthenticated, Unavailable
from ingest.domain.identities import Namer
from ingest.domain.tokens import Token
from ingest.doors.catalogs import CatalogReader
from ingest.settings import Settings
from ingest.store.tokens import hash_secret
from ingest.telemetry import metrics

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
#: The longest that a caller with an unknown token waits for a second look.
_SECOND_LOOK_SECONDS = 2.0


class CatalogCache:
    """A cache of the catalog and the tokens, at most a second old.

    While Postgres is away, the last ones known stay good.
    """

    def __init__(self, settings: Settings) -> None:
        # Used by one thread at a time: `_refreshing` is the only one under way.
        self._reader = CatalogReader(
            settings, application_name="penstock-intake", role="intake"
        )
        self._refreshing: Task[None] | None = None
        self._refreshed_at = float("-inf")
        self._poll: Task[None] | None = None
        # Whether the last look failed; only the first failure is logged.
        self._stale = False

    async def start(self) -> None:
        """Load once, if Postgres is there, and keep looking."""
        await self._refresh()
        self._poll = asyncio.get_running_loop().create_task(self._keep_fresh())

    async def stop(self) -> None:
        """Stop looking."""
        if self._poll is not None:
            self._poll.cancel()
            with suppress(asyncio.CancelledError):
                await self._poll
        if self._refreshing is not None:
            await asyncio.wait([self._refreshing], timeout=_SECOND_LOOK_SECONDS)
        self._reader.close()

    @property
    def is_loaded(self) -> bool:
        """Whether there is a catalog at all."""
        return self._reader.is_loaded

    def get_catalog(self) -> Catalog:
        """Return the catalog; Unavailable before it could first be read."""
        return self._reader.known.catalog

    def get_namer(self) -> Namer:
        """Return what makes ids of names; Unavailable before it could be read."""
        return self._reader.known.namer

    async def get_token(self, secret: str | None) -> Token:
        """Return the token of `secret`; Unauthenticated, or Forbidden when unknown.

        An unknown one may be new: it is looked for again, at most once a second.
        """
        if not secret:
            raise Unauthenticated("API token required", "token")
        hashed = hash_secret(secret)
        token = self._reader.known.tokens.get(hashed)
        if token is None and self._now() - self._refreshed_at >= _POLL_SECONDS:
            await asyncio.wait([self._start_refresh()], timeout=_SECOND_LOOK_SECONDS)
            token = self._reader.known.tokens.get(hashed)
        if token is None or not token.is_good(datetime.now(UTC)):
            raise Forbidden("Unknown API token", "token")
        return token

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            # Whatever becomes of this look, there is a next one.
            await asyncio.wait([self._start_refresh()])
            metrics.note_memory("intake")

    def _start_refresh(self) -> Task[None]:
        """Return the refresh under way; begin one if there is none."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.get_running_loop().create_task(self._refresh())
        return self._refreshing

    async def _refresh(self) -> None:
        self._refreshed_at = self._now()
        try:
            has_changed = await asyncio.to_thread(self._reader.refresh)
        except (psycopg.Error, Unavailable) as error:
            self._reader.close()
            if not self._stale:
                reason = type(error).__name__
                logger.warning("catalog refresh failed", extra={"reason": reason})
            self._stale = True
            return
        self._stale = False
        if has_changed:
            version = self._reader.known.catalog.version
            logger.info("catalog loaded", extra={"version": version})
