"""No queue at all: the web application applies each import before it answers.

Usage: python -m tests.benchmarks.usual.direct PORT, in two processes.
"""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import local

import falcon.asgi
import orjson
import uvicorn
from falcon.asgi import Request, Response

from ingest.domain.imports import SUCCESS_TEXT
from tests.benchmarks.usual.work import apply_one, load_schemas, open_connection

_PROCESSES = 2
#: Connections of each process; more of them only wait for the two cores.
_CONNECTIONS = 8


class ImportResource:
    """POST of one profile."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_CONNECTIONS)
        self._local = local()

    async def on_post(self, req: Request, resp: Response) -> None:
        """Apply the import and answer with the profile's id."""
        body = await req.stream.read()
        loop = asyncio.get_running_loop()
        resp.content_type = "application/json"
        resp.data = await loop.run_in_executor(self._threads, self._apply, body)

    def _apply(self, body: bytes) -> bytes:
        if not hasattr(self._local, "connection"):
            self._local.connection = open_connection()
        outcome = apply_one(self._local.connection, orjson.loads(body))
        answer = {"error": outcome.error, "error_text": outcome.error_text}
        if outcome.profile_id is not None:
            answer |= {"error_text": SUCCESS_TEXT, "profile_id": outcome.profile_id}
        return orjson.dumps(answer)


def make_app() -> falcon.asgi.App[Request, Response]:
    """Return the application of one process."""
    load_schemas()
    app: falcon.asgi.App[Request, Response] = falcon.asgi.App()
    app.add_route("/api/v1.1/profiles/import", ImportResource())
    return app


if __name__ == "__main__":
    uvicorn.run(
        "tests.benchmarks.usual.direct:make_app",
        factory=True,
        workers=_PROCESSES,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
