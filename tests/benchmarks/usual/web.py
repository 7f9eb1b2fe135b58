"""The usual design's web application: checks a little, sends a message, answers 202.

Usage: python -m tests.benchmarks.usual.web PORT MODULE, which sends messages.
"""

import asyncio
import sys
from collections.abc import Callable
from importlib import import_module

import falcon.asgi
import orjson
import uvicorn
from falcon.asgi import Request, Response

from ingest.wire.envelopes import load_envelope


class ImportResource:
    """POST of one profile."""

    def __init__(self, send: Callable[[dict[str, object]], object]) -> None:
        self._send = send

    async def on_post(self, req: Request, resp: Response) -> None:
        """Check the envelope and queue the import."""
        document = orjson.loads(await req.stream.read())
        load_envelope(document)
        # A thread would cost more than the milliseconds that this blocks for.
        self._send(document)
        resp.status = 202
        resp.content_type = "application/json"
        resp.data = b'{"error":0,"error_text":"Accepted"}'


def main() -> None:
    """Serve on the port that is named."""
    app: falcon.asgi.App[Request, Response] = falcon.asgi.App()
    send = import_module(sys.argv[2]).send
    app.add_route("/api/v1.1/profiles/import", ImportResource(send))
    config = uvicorn.Config(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="warning",
        access_log=False,
    )
    asyncio.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
