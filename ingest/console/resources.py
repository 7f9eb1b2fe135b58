"""Views as Falcon resources, the login, and what is the same on every page."""

import logging
import re
from secrets import token_urlsafe
from urllib.parse import quote

import falcon
from falcon.asgi import Request, Response
from falcon.uri import encode_check_escaped
from jinja2 import Environment

from ingest.console import guard
from ingest.console.rendering import make_environment
from ingest.console.requests import Attachment, Page, PageRequest, Redirect, View
from ingest.console.services import Services
from ingest.console.uploads import take_file
from ingest.domain.errors import (
    Forbidden,
    PenstockError,
    Unauthenticated,
    Unavailable,
)
from ingest.domain.tokens import Token

logger = logging.getLogger(__name__)

_OUR_COOKIE = re.compile(r"[\w-]{22}", re.ASCII)
#: A page loads our own style, script and image, sends forms to us, runs nothing else,
#: and is shown in no other; nothing of it is kept.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: The script of the page that uploads a file sends it to us.
_SENDING_POLICY = f"{_POLICY}; connect-src 'self'"
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: How soon to look again for what was out of reach.
_RETRY_SECONDS = 2
#: What a page says of an error's code.
_TITLES = {
    400: "Bad request",
    403: "Not allowed",
    404: "Not found",
    405: "Not found",
    409: "Not done",
    413: "Too long",
    429: "Too many requests",
    500: "Internal error",
    503: "Service unavailable",
}


class Headers:
    """Middleware that sets the security headers of every response."""

    async def process_request(self, req: Request, resp: Response) -> None:
        """Set them first, so that an asset may say more."""
        resp.set_headers(_HEADERS)


class Pages:
    """Renders pages with what is around them: who looks, where, the forms' token."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._environment: Environment = make_environment()

    def show(self, req: Request, resp: Response, page: Page) -> None:
        """Answer with `page`."""
        admin: Token | None = req.context.get("admin")
        cookie = guard.SESSION_COOKIE if admin else guard.LOGIN_COOKIE
        held = req.context.get(cookie) or req.cookies.get(cookie, "")
        resp.status = page.status
        if page.sends_files:
            resp.set_header("Content-Security-Policy", _SENDING_POLICY)
        resp.content_type = "text/html; charset=utf-8"
        resp.text = self._environment.get_template(page.template).render(
            admin=admin,
            path=req.path,
            form_token=self._services.sessions.form_token(held),
            **page.values,
        )

    async def show_error(
        self, req: Request, resp: Response, error: PenstockError, _: object
    ) -> None:
        """Send the error page; show the login to browsers without a session."""
        code = error.code
        if isinstance(error, Unauthenticated):
            resp.set_header("WWW-Authenticate", "Bearer")
            if req.method == "GET":
                raise falcon.HTTPSeeOther(f"/login?next={quote(req.relative_uri)}")
            raise falcon.HTTPSeeOther("/login")
        if isinstance(error, Unavailable):
            resp.set_header("Retry-After", str(_RETRY_SECONDS))
        if isinstance(error, Forbidden):
            logger.warning("refused", extra={"path": req.uri_template})
        self._show_error(req, resp, code, str(error))

    async def show_refusal(
        self, req: Request, resp: Response, error: falcon.HTTPError, _: object
    ) -> None:
        """Answer with what the framework refused: an unknown path, a wrong method."""
        text = "Check the address or go to the overview."
        self._show_error(req, resp, error.status_code, text)

    async def show_unexpected(
        self, req: Request, resp: Response, error: Exception, _: object
    ) -> None:
        """Send a generic error page; log the details."""
        logger.error(
            "console page failed", exc_info=error, extra={"path": req.uri_template}
        )
        self._show_error(req, resp, 500, "See the log of the console for the cause.")

    def _show_error(self, req: Request, resp: Response, code: int, text: str) -> None:
        title = _TITLES.get(code, "Error")
        page = Page(
            template="error.html", values={"title": title, "text": text}, status=code
        )
        self.show(req, resp, page)


class ViewResource:
    """A page that only admins see; with `on_form`, one that takes a form.

    One that `survives` is shown to whoever is logged in while Postgres does not answer.
    """

    def __init__(
        self,
        services: Services,
        pages: Pages,
        view: View,
        on_form: View | None = None,
        *,
        form_bytes: int = guard.MAX_FORM_BYTES,
        survives: bool = False,
    ) -> None:
        self._survives = survives
        self._services = services
        self._pages = pages
        self._view = view
        self._on_form = on_form
        self._form_bytes = form_bytes

    async def on_get(self, req: Request, resp: Response, **names: str) -> None:
        """Show the page."""
        try:
            admin = await guard.authenticate(self._services, req)
        except Unavailable:
            known = guard.recall(self._services, req) if self._survives else None
            if known is None:
                raise
            admin = known
        request = PageRequest(
            req=req, services=self._services, admin=admin, names=names
        )
        self._answer(req, resp, await self._view(request))

    async def on_post(self, req: Request, resp: Response, **names: str) -> None:
        """Take the form."""
        if self._on_form is None:
            raise falcon.HTTPMethodNotAllowed(["GET"])
        admin = await guard.authenticate(self._services, req)
        form = await guard.read_form(
            self._services, req, guard.SESSION_COOKIE, self._form_bytes
        )
        request = PageRequest(
            req=req, services=self._services, admin=admin, names=names, form=form
        )
        self._answer(req, resp, await self._on_form(request))

    def _answer(
        self, req: Request, resp: Response, said: Page | Redirect | Attachment
    ) -> None:
        if isinstance(said, Redirect):
            raise falcon.HTTPSeeOther(said.location)
        if isinstance(said, Attachment):
            resp.content_type = said.content_type
            resp.downloadable_as = said.name
            resp.stream = said.stream
            return
        self._pages.show(req, resp, said)


class FormFileResource(ViewResource):
    """The page that takes a file, whose body is streamed to the spool."""

    async def on_post(self, req: Request, resp: Response, **names: str) -> None:
        """Store the file; the page says why one is not taken."""
        admin = await guard.authenticate(self._services, req)
        request = PageRequest(
            req=req, services=self._services, admin=admin, names=names
        )
        resp.set_header("Connection", "close")
        self._answer(req, resp, await take_file(request))


class LoginResource:
    """The form that takes an admin token."""

    def __init__(self, services: Services, pages: Pages) -> None:
        self._services = services
        self._pages = pages

    async def on_get(self, req: Request, resp: Response) -> None:
        """Show the form."""
        self._show(req, resp)

    async def on_post(self, req: Request, resp: Response) -> None:
        """Log in, or say that the token is none."""
        form = await guard.read_form(self._services, req, guard.LOGIN_COOKIE)
        session_id = await guard.log_in(self._services, form.get("secret", "").strip())
        if session_id is None:
            self._show(req, resp, failed=True)
            return
        guard.set_cookie(req, resp, guard.SESSION_COOKIE, session_id)
        raise falcon.HTTPSeeOther(_local(form.get("next", "")))

    def _show(self, req: Request, resp: Response, *, failed: bool = False) -> None:
        held = req.cookies.get(guard.LOGIN_COOKIE, "")
        # What is not ours cannot be set again: a cookie holds few characters.
        if not _OUR_COOKIE.fullmatch(held):
            held = token_urlsafe(16)
        req.context[guard.LOGIN_COOKIE] = held
        guard.set_cookie(req, resp, guard.LOGIN_COOKIE, held)
        wanted = _local(req.get_param("next") or "")
        values = {"failed": failed, "next": wanted}
        page = Page(template="login.html", values=values, status=403 if failed else 200)
        self._pages.show(req, resp, page)


class LogoutResource:
    """Ends a login."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def on_post(self, req: Request, resp: Response) -> None:
        """Forget it, here and in the browser."""
        await guard.read_form(self._services, req, guard.SESSION_COOKIE)
        self._services.sessions.close(req.cookies.get(guard.SESSION_COOKIE, ""))
        resp.unset_cookie(guard.SESSION_COOKIE, path="/")
        raise falcon.HTTPSeeOther("/login")


class AssetResource:
    """A file that pages refer to, for anyone."""

    def __init__(self, content: bytes, content_type: str) -> None:
        self._content = content
        self._content_type = content_type

    async def on_get(self, req: Request, resp: Response) -> None:
        """Answer with the file."""
        resp.cache_control = ["public", "max-age=300"]
        resp.content_type = self._content_type
        resp.data = self._content


def _local(path: str) -> str:
    """Return `path` if it is one of ours, for nobody may send an admin elsewhere.

    It is written as a header may hold it: `/é` as `/%C3%A9`.
    """
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    is_ours = is_ours and path.isprintable() and "\\" not in path
    return encode_check_escaped(path) if is_ours else "/"
