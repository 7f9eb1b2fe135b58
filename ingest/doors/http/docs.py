"""The pages of an intake and the OpenAPI document: made at start-up, open to anyone."""

from collections.abc import Mapping
from functools import cache
from hashlib import sha256

import orjson
from falcon.asgi import Response

from ingest.doors.http.calls import Call
from ingest.doors.http.openapi.document import build_document
from ingest.doors.http.pages import render_front, render_reference

#: A caller asks again after an hour, and is told in a line if nothing has changed.
_CACHE_CONTROL = "public, max-age=3600"
#: Where the console is may change with each start.
_ASK_AGAIN = {"Cache-Control": "no-cache"}


#: A page loads nothing, from nowhere, and runs nothing.
_PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HTML = "text/html; charset=utf-8"


class StaticResource:
    """Content that stays as it is while the process lives."""

    def __init__(
        self, content: bytes, content_type: str, headers: Mapping[str, str]
    ) -> None:
        self._content = content
        self._headers = {"Cache-Control": _CACHE_CONTROL, **headers}
        self._content_type = content_type
        self._etag = sha256(content).hexdigest()[:32]

    async def on_get(self, req: Call, resp: Response) -> None:
        """Answer with the content, unless the caller has it."""
        resp.etag = self._etag
        resp.set_headers(self._headers)
        if any(tag in ("*", self._etag) for tag in req.if_none_match or ()):
            resp.status = 304
            return
        resp.content_type = self._content_type
        resp.data = self._content


def make_docs(console_url: str) -> dict[str, StaticResource]:
    """Return the resources by their paths."""
    front = render_front(console_url).encode()
    return {
        "/": StaticResource(front, _HTML, {**_PAGE_HEADERS, **_ASK_AGAIN}),
        **_make_reference(),
    }


@cache
def _make_reference() -> Mapping[str, StaticResource]:
    """Return what is the same in every intake, and takes long to make."""
    document = build_document()
    docs = render_reference(document).encode()
    return {
        "/docs": StaticResource(docs, _HTML, _PAGE_HEADERS),
        "/openapi.json": StaticResource(orjson.dumps(document), "application/json", {}),
    }
