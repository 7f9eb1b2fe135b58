"""The endpoint that streams all profiles of a database, of one snapshot (E1, E2)."""

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from falcon.asgi import Response

from ingest.domain.errors import NotFound, Overloaded, RateExceeded, Unavailable
from ingest.domain.exports import ExportFormat, ExportRequest
from ingest.domain.tokens import Scope, Token
from ingest.doors.accept import check_right
from ingest.doors.http.calls import Call
from ingest.doors.http.intake import Intake
from ingest.doors.http.requests import authenticate
from ingest.settings import Settings
from ingest.store.database import Connection, connect
from ingest.store.faults import unavailable_while_away
from ingest.store.profiles.exports import export_profiles
from ingest.wire.queries import load_export

logger = logging.getLogger(__name__)

#: Exports that one intake serves at the same time.
_MOST = 2
#: zlib's number for a gzip header.
_GZIP = 16 + zlib.MAX_WBITS
_MEDIA_TYPES = {
    ExportFormat.NDJSON: "application/x-ndjson",
    ExportFormat.CSV: "text/csv; charset=utf-8",
}


class ExportResource:
    """POST to download profiles as NDJSON or CSV, which an import takes back."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._threads = ThreadPoolExecutor(_MOST, "exports")
        self._running = 0

    async def on_post(self, req: Call, resp: Response) -> None:
        """Check who asks, then stream.

        A download that breaks off has no last chunk, nor has NDJSON its last line.
        """
        request, token = await authenticate(req, resp, self._intake, has_format=True)
        wanted = load_export(request.document)
        check_right(token, wanted.database_id, Scope.READ)
        catalog = self._intake.catalog.get_catalog()
        if wanted.database_id not in catalog.databases:
            raise NotFound("Database not found", "db_id")
        if wanted.segment_id is not None and wanted.segment_id not in catalog.segments:
            raise NotFound("Segment not found", "segment_id")
        if self._running >= _MOST:
            raise Overloaded("Too many exports are in progress")
        self._running += 1
        export = _Export(self._intake.settings, wanted)
        try:
            # What is wrong or away is told while there is an answer to tell it by.
            first = await self._read(export)
        except BaseException:
            await self._end(export)
            raise
        resp.content_type = _MEDIA_TYPES[wanted.format]
        packs = _accepts_gzip(req)
        if packs:
            resp.set_header("Content-Encoding", "gzip")
        resp.append_header("Vary", "Accept-Encoding")
        resp.stream = self._stream(export, first, token, packs=packs)

    async def _read(self, export: "_Export") -> bytes:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, export.read)

    async def _end(self, export: "_Export") -> None:
        self._running -= 1
        await asyncio.get_running_loop().run_in_executor(self._threads, export.close)

    async def _stream(
        self, export: "_Export", first: bytes, token: Token, *, packs: bool
    ) -> AsyncIterator[bytes]:
        packer = zlib.compressobj(wbits=_GZIP) if packs else None
        page = first
        try:
            while page:
                told = packer.compress(page) if packer else page
                if told:
                    yield told
                await self._pay(token)
                page = await self._read(export)
            if packer:
                yield packer.flush()
        finally:
            await self._end(export)

    async def _pay(self, token: Token) -> None:
        """Take a request off what a token may ask, for each page; wait until it may."""
        while True:
            try:
                await self._intake.rates.spend(token, Response())
            except RateExceeded as error:
                await asyncio.sleep(error.retry_seconds)
            else:
                return


class _Export:
    """One export: its connection, opened when the first page is read."""

    def __init__(self, settings: Settings, wanted: ExportRequest) -> None:
        self._settings = settings
        self._wanted = wanted
        self._ends_at = monotonic() + settings.export_seconds
        self._connection: Connection | None = None
        self._pages: Iterator[bytes] = iter(())

    def read(self) -> bytes:
        """Return the next page; nothing at the end. Raises Unavailable past its time.

        A snapshot that lasts keeps Postgres from cleaning up.
        """
        with unavailable_while_away():
            if self._connection is None:
                self._connection = connect(
                    self._settings.database_url, application_name="penstock-export"
                )
                self._pages = export_profiles(self._connection, self._wanted)
            elif monotonic() > self._ends_at:
                raise Unavailable("The export took too long")
            return next(self._pages, b"")

    def close(self) -> None:
        """Give up the snapshot."""
        if self._connection is not None:
            self._connection.close()


def _accepts_gzip(req: Call) -> bool:
    """Say whether the caller reads gzip (RFC 9110, 12.5.3)."""
    told = req.get_header("Accept-Encoding") or ""
    for one in told.lower().split(","):
        name, _, weight = one.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
    return False
