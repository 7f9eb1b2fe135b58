"""Files that browsers send: streamed to the spool, never held in memory."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from falcon.asgi import Request
from falcon.media.multipart import MultipartFormHandler, MultipartParseError
from msgspec import Struct
from uuid_utils.compat import uuid7

from ingest.console import guard
from ingest.console.services import Services
from ingest.domain.errors import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    Overloaded,
    PenstockError,
)
from ingest.domain.tokens import Scope, Token
from ingest.doors.files.console_spool import ConsoleSpoolWriter
from ingest.doors.files.formats.archives import UnreadableFile
from ingest.doors.files.spooled_files import list_members
from ingest.store.uploads import SpooledFile, insert_uploads
from ingest.wire.forms import is_multipart

logger = logging.getLogger(__name__)

#: The input of the file.
FILE = "file"
#: Written to disk at once.
_PIECE_BYTES = 1024 * 1024
#: A browser that sends nothing for so long is gone.
_IDLE_SECONDS = 60.0
#: What is read of a file that is refused, for the browser to show why.
_DRAINED_BYTES = 256 * 1024 * 1024
#: Of inputs beside the file.
_INPUT_BYTES = 1000
_MOST_CHARACTERS = 200


async def receive(services: Services, req: Request, admin: Token) -> list[SpooledFile]:
    """Store the file of a form; return it, or the files of the archive that it is.

    Raises Forbidden for a form that is not ours or a token that may not import,
    InvalidRequest for what is no file, BodyTooLarge and Overloaded without room.
    """
    if Scope.IMPORT not in admin.actions:
        raise Forbidden("The API token lacks the import scope", "token")
    if not is_multipart(req.content_type):
        raise InvalidRequest("Choose a file to upload", FILE)
    stored: list[StoredFile] = []
    try:
        await _read_form(services, req, stored)
    except BaseException as error:
        for one in stored:
            services.spool.remove(one.id)
        if not isinstance(error, MultipartParseError):
            raise
        raise InvalidRequest(
            "The upload was incomplete. Upload the file again"
        ) from error
    if not stored:
        raise InvalidRequest("Choose a file to upload", FILE)
    return await _register(services, admin, stored[0])


async def _read_form(services: Services, req: Request, stored: list[Any]) -> None:
    """Read a form to its end, which one that was cut has not; store its first file."""
    form = await MultipartFormHandler().deserialize_async(
        req.stream, req.content_type, req.content_length
    )
    inputs: dict[str, str] = {}
    async for part in form:
        if part.name != FILE:
            data = await _read(part.stream, _INPUT_BYTES)
            inputs[str(part.name)] = data.decode(errors="replace")
        elif not stored:
            guard.check_form(services, req, inputs.get(guard.FORM_TOKEN, ""))
            stored.append(await _store(services, req, part))


class StoredFile(Struct, frozen=True):
    """A file in the spool that nobody knows yet."""

    id: UUID
    name: str
    bytes: int


async def _store(services: Services, req: Request, part: Any) -> StoredFile:
    name = _clean(part.filename or "")
    if not name:
        raise InvalidRequest("Choose a file to upload", FILE)
    upload_id = uuid7()
    try:
        writer = services.spool.begin(upload_id, req.content_length)
        await _write(writer, part.stream)
    except (BodyTooLarge, Overloaded):
        await _drain(part.stream)
        raise
    return StoredFile(upload_id, name, writer.count)


async def _register(
    services: Services, admin: Token, stored: StoredFile
) -> list[SpooledFile]:
    """Note a file that is stored, or those of the archive that it is."""
    try:
        files = await _list_files(services, admin, stored)
        for one in files[1:]:
            services.spool.link(stored.id, one.id)
        await services.write(partial(insert_uploads, files=files))
    except BaseException:
        services.spool.remove(stored.id)
        raise
    extra = {
        "token_id": admin.id,
        "upload_id": str(stored.id),
        "bytes": stored.bytes,
    }
    logger.info("file uploaded", extra=extra)
    return files


async def _list_files(
    services: Services, admin: Token, stored: StoredFile
) -> list[SpooledFile]:
    """Return the file that was stored, or those of the archive that it is."""
    if not stored.bytes:
        raise InvalidRequest("The file is empty", FILE)
    members, left = await services.look_at_file(
        partial(list_members, services.settings, services.spool.find_path(stored.id))
    )
    if not members:
        reasons = "; ".join(left.refused.values())
        raise UnreadableFile(reasons or "The archive contains no file to import")
    return _describe(services, admin, stored, members)


async def _write(writer: ConsoleSpoolWriter, stream: Any) -> None:
    """Write what comes, a piece at a time; nothing is left of what is refused."""
    try:
        async for piece in _gather(stream):
            await asyncio.to_thread(writer.write, piece)
    except BaseException:
        writer.give_up()
        raise
    writer.finish()


async def _gather(stream: Any) -> AsyncIterator[bytes]:
    while data := await _read(stream, _PIECE_BYTES):
        yield data


async def _read(stream: Any, size: int) -> bytes:
    try:
        data: bytes = await asyncio.wait_for(stream.read(size), _IDLE_SECONDS)
    except TimeoutError as error:
        raise InvalidRequest(
            f"No data arrived for {_IDLE_SECONDS:g} seconds. Upload the file again"
        ) from error
    return data


async def _drain(stream: Any) -> None:
    """Read on, up to a limit: a browser shows no answer before it has sent all."""
    left = _DRAINED_BYTES
    with suppress(PenstockError, MultipartParseError):
        while left > 0 and (data := await _read(stream, _PIECE_BYTES)):
            left -= len(data)


def _describe(
    services: Services,
    admin: Token,
    stored: StoredFile,
    members: Sequence[str],
) -> list[SpooledFile]:
    """Return a file for each of an archive; the first one has the id of the upload."""
    now = datetime.now(UTC)
    expires_at = now + timedelta(hours=services.settings.console_hours)
    return [
        SpooledFile(
            id=stored.id if number == 0 else uuid7(),
            token_id=admin.id,
            name=stored.name,
            member=member,
            bytes=stored.bytes,
            created_at=now,
            expires_at=expires_at,
        )
        for number, member in enumerate(members)
    ]


def _clean(name: str) -> str:
    """Return the last part of a name, as far as it can be shown."""
    last = PurePosixPath(name.replace("\\", "/")).name
    shown = "".join(one for one in last if one.isprintable())
    return shown.encode(errors="replace").decode()[-_MOST_CHARACTERS:].strip()
