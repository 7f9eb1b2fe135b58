"""HTTP requests to documents, and what else they say about themselves."""

from functools import partial

from falcon.asgi import Response

from ingest.domain.errors import Forbidden
from ingest.domain.tokens import Token
from ingest.doors.http.bodies import LARGE_BYTES, SMALL_BYTES
from ingest.doors.http.calls import Call, Decoded
from ingest.doors.http.intake import Intake
from ingest.wire.bodies import decode
from ingest.wire.envelopes import peek_format, peek_token
from ingest.wire.promises import asks_dry_run, refuse_promises

#: A body that is read though the token before it is unknown, for it may hold another.
_SHORT_BYTES = 64 * 1024


async def read_body(req: Call, intake: Intake) -> bytes:
    """Return the body; raise what `Bodies.read` does.

    A token in a header is looked up first. An unknown one is Forbidden, unless the body
    is short, whose own token comes before that of a header (contract 14, point 67).
    """
    length, is_known = req.content_length, False
    # A small one takes no room, and is read whatever its token.
    is_small = length is not None and length <= SMALL_BYTES
    if not is_small and (secret := find_secret(req)) is not None:
        try:
            await intake.catalog.get_token(secret)
            is_known = True
        except Forbidden:
            if length is None or length > _SHORT_BYTES:
                raise
    return await intake.bodies.read(
        req, intake.settings.max_body_bytes, is_known=is_known
    )


async def read_request(
    req: Call, intake: Intake, *, may_be_dry: bool = False, has_format: bool = False
) -> Decoded:
    """Read and decode the body.

    From here on the request counts as parsed: what is wrong with it is an answer of
    the application, not a fault of the transport (contract 13.1). A dry run is refused
    by those who do not say that a request may be one. `format` is that of the reply,
    unless the request has one of its own.
    """
    body = await read_body(req, intake)
    read = partial(decode, body, req.content_type, limits=intake.settings.limits)
    sent_as, document = await intake.bodies.decode(req, body, read)
    req.is_parsed = True
    req.sent_as = sent_as
    req.settle_format(None if has_format else peek_format(document))
    check = asks_dry_run if may_be_dry else refuse_promises
    dry_run = check(document)
    if req.query_string:
        dry_run = check(req.params) or dry_run
    return Decoded(
        document=document,
        secret=peek_token(document) or find_secret(req),
        size_bytes=len(body),
        is_large=len(body) > LARGE_BYTES,
        dry_run=bool(dry_run),
    )


async def authenticate(
    req: Call,
    resp: Response,
    intake: Intake,
    *,
    may_be_dry: bool = False,
    has_format: bool = False,
) -> tuple[Decoded, Token]:
    """Read a request, find whose token it has, and spend of the rate of that.

    Raises what `read_request` does, Forbidden, and what `Rates.spend` does.
    """
    request = await read_request(
        req, intake, may_be_dry=may_be_dry, has_format=has_format
    )
    token = await intake.catalog.get_token(request.secret)
    await intake.rates.spend(token, resp)
    return request, token


def find_secret(req: Call) -> str | None:
    """Return the token of the Authorization header, else of the query, if any."""
    scheme, _, credentials = (req.auth or "").partition(" ")
    if scheme.lower() == "bearer" and credentials.strip():
        return credentials.strip()
    return req.get_param("token")
