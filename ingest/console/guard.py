"""Access to the console: admins, by a login or by a Bearer token."""

import logging
from collections.abc import Mapping

from falcon.asgi import Request, Response

from ingest.console.services import Services
from ingest.domain.errors import (
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    Unauthenticated,
)
from ingest.domain.tokens import Scope, Token
from ingest.store.tokens import hash_secret, load_tokens
from ingest.wire.forms import decode_form, is_form
from ingest.wire.json_bodies import decode as decode_json

logger = logging.getLogger(__name__)

#: Holds a login's id.
SESSION_COOKIE = "penstock_session"
#: Holds what ties a login form to the browser that it was shown in.
LOGIN_COOKIE = "penstock_login"
#: The field of every form that shows that it is ours.
FORM_TOKEN = "form_token"  # noqa: S105 (a name)

MAX_FORM_BYTES = 10_000


async def find_admin(services: Services, secret_hash: bytes) -> Token | None:
    """Return the token of this secret if it is good, and an admin's."""
    tokens = await services.read(load_tokens)
    token = tokens.get(secret_hash)
    is_admin = token is not None and Scope.ADMIN in token.actions
    return token if token is not None and is_admin and not token.database_ids else None


async def log_in(services: Services, secret: str) -> str | None:
    """Open a login for a secret; None, after a while, for a wrong one."""
    secret_hash = hash_secret(secret)
    admin = await find_admin(services, secret_hash)
    if admin is None:
        logger.warning("login failed")
        await services.brake.slow_down()
        return None
    logger.info("login succeeded", extra={"token_id": admin.id})
    return services.sessions.open(secret_hash)


async def authenticate(services: Services, req: Request) -> Token:
    """Return who asks; raise Unauthenticated for nobody, Forbidden for no admin.

    The token is looked up for each page, so that a revoked one ends its logins.
    """
    kind, _, secret = (req.auth or "").partition(" ")
    if kind.lower() == "bearer":
        admin = await _admit_bearer(services, secret.strip())
    else:
        admin = await _admit_session(services, req.cookies.get(SESSION_COOKIE, ""))
    req.context["admin"] = admin
    return admin


async def _admit_bearer(services: Services, secret: str) -> Token:
    admin = await find_admin(services, hash_secret(secret))
    if admin is None:
        await services.brake.slow_down()
        raise Forbidden("The API token is unknown, or lacks the admin scope")
    return admin


async def _admit_session(services: Services, session_id: str) -> Token:
    session = services.sessions.find(session_id)
    admin = await find_admin(services, session.secret_hash) if session else None
    if admin is None:
        services.sessions.close(session_id)
        raise Unauthenticated("Login required")
    services.sessions.note_admin(session_id, admin)
    return admin


def recall(services: Services, req: Request) -> Token | None:
    """Return whose login it was at the last page, while no token can be looked up.

    Only for pages without personal data. None revokes a token meanwhile: the tokens
    are where Postgres is.
    """
    if req.auth:
        return None
    session = services.sessions.find(req.cookies.get(SESSION_COOKIE, ""))
    admin = session.admin if session else None
    if admin is not None:
        req.context["admin"] = admin
    return admin


async def _read_body(req: Request, limit: int) -> bytes:
    """Return a body that is short enough; no more than that is ever held."""
    if (req.content_length or 0) <= limit:
        body = await req.stream.read(limit + 1)
        if len(body) <= limit:
            return body
    raise BodyTooLarge(f"The form is too large (at most {limit} bytes)")


def _parse_form(body: bytes, content_type: str | None) -> Mapping[str, str]:
    """Return the texts of a form, or of a JSON object; raise InvalidRequest."""
    if not body:
        return {}
    sent = decode_form(body) if is_form(content_type) else decode_json(body)
    return {
        name: check_text(value, name)
        for name, value in sent.items()
        if isinstance(value, str)
    }


def check_text(text: str, name: str) -> str:
    """Return `text` if Postgres can hold it; raise InvalidRequest naming `name`."""
    if "\0" in text:
        raise InvalidRequest("Must not contain the NUL character", name)
    return text


async def read_form(
    services: Services, req: Request, cookie: str, limit: int = MAX_FORM_BYTES
) -> Mapping[str, str]:
    """Return the fields of a form; raise Forbidden unless it is one of our own."""
    form = _parse_form(await _read_body(req, limit), req.content_type)
    check_form(services, req, form.get(FORM_TOKEN, ""), cookie)
    return form


def check_form(
    services: Services, req: Request, sent: str, cookie: str = SESSION_COOKIE
) -> None:
    """Raise Forbidden unless a form, with what it sent, is one of our own.

    Who sends a Bearer token is no browser that somebody else's page could use.
    """
    is_bearer = (req.auth or "").lower().startswith("bearer ")
    held = req.cookies.get(cookie, "")
    if not is_bearer and not services.sessions.is_ours(held, sent):
        raise Forbidden("This form has expired. Reload the page and try again")


def set_cookie(req: Request, resp: Response, name: str, value: str) -> None:
    """Set a cookie for this browser session that no script reads, nor other site sends.

    It is kept to HTTPS where that is what we are reached by.
    """
    resp.set_cookie(
        name,
        value,
        path="/",
        http_only=True,
        same_site="Strict",
        secure=req.forwarded_scheme == "https",
    )
