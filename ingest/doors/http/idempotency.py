"""The Idempotency-Key header: a request's name, chosen by its producer.

It is read as the IETF's draft has it (draft-ietf-httpapi-idempotency-key-header), a
string in quotes, and without the quotes that most clients leave out.
"""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from falcon.asgi import Response

from ingest.domain.errors import InvalidRequest
from ingest.domain.identities import ImportName, Namer
from ingest.doors.http.calls import Call, Decoded
from ingest.wire.fingerprints import make_fingerprint

#: What faults of the header are told of.
HEADER = "Idempotency-Key"
_MAX_LENGTH = 255
_QUOTED = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_BARE = re.compile(r"[!#-~](?:[ -~]*[!-~])?")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The names of requests; keys of different tokens never meet."""

    token_id: int
    key: str
    fingerprint: str
    namer: Namer
    asked_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def name(self) -> ImportName:
        """Name the one import of the request, and the request itself."""
        return self._derive()

    def name_element(self, index: int) -> ImportName:
        """Name the import of one element of a batch."""
        return self._derive(str(index))

    def _derive(self, *names: str) -> ImportName:
        return self.namer.name(
            "idempotency-key",
            str(self.token_id),
            self.key,
            *names,
            now=self.asked_at,
            fingerprint=self.fingerprint,
        )


async def find_key(
    req: Call, request: Decoded, token_id: int, namer: Namer
) -> RequestKey | None:
    """Return what names this request, if it has a key; raise InvalidRequest."""
    header = req.get_header(HEADER)
    if header is None:
        return None
    key = parse_key(header)
    # The format too: a number is a text in XML, which is not for us to judge.
    sent_as = req.sent_as or ""
    make = partial(make_fingerprint, request.document, key, req.path, sent_as)
    fingerprint = await asyncio.to_thread(make) if request.is_large else make()
    return RequestKey(token_id=token_id, key=key, fingerprint=fingerprint, namer=namer)


def parse_key(header: str) -> str:
    """Read a key of 1 to 255 printable ASCII characters; raise InvalidRequest."""
    text = header.strip()
    if quoted := _QUOTED.fullmatch(text):
        text = _ESCAPED.sub(r"\1", quoted[1])
    elif not _BARE.fullmatch(text):
        raise InvalidRequest("Must be 1 to 255 printable ASCII characters", HEADER)
    if not 1 <= len(text) <= _MAX_LENGTH:
        raise InvalidRequest("Must be 1 to 255 printable ASCII characters", HEADER)
    return text


def mark_replayed(resp: Response) -> None:
    """Say that an earlier request had this key, and that its import is told of."""
    resp.set_header("Idempotent-Replayed", "true")
