"""HTTP servers of commands: one process each, on a socket of its own or inherited."""

import socket
from typing import Any

import uvicorn

from ingest.doors.http.arrivals import Arrivals
from ingest.doors.http.protocol import bound_heads
from ingest.settings import Settings

#: Connections the kernel keeps for a process that is busy or being restarted.
_BACKLOG = 2048


def build_server(
    app: Any, settings: Settings, *, grace_seconds: int, open_ended: str = ""
) -> uvicorn.Server:
    """Return the server of `app`, with bounded heads and bodies.

    Bodies of the path `open_ended` may be written while they are sent. On SIGTERM it
    accepts no more connections, and its responses get `grace_seconds`.
    """
    return uvicorn.Server(
        uvicorn.Config(
            Arrivals(app, settings, open_ended=open_ended),
            loop="uvloop",
            http=bound_heads(settings.max_head_bytes),
            ws="none",
            # The console reads X-Forwarded-Proto itself: it can only make a cookie
            # stricter.
            proxy_headers=False,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=_BACKLOG,
            timeout_graceful_shutdown=grace_seconds,
        )
    )


def open_listener(host: str, port: int, fd: int | None = None) -> socket.socket:
    """Return a socket that listens on `host` and `port`, or the inherited one of `fd`.

    Of whichever family the host is.
    """
    if fd is not None:
        return socket.socket(fileno=fd)
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    return socket.create_server(
        (host, port), family=family, backlog=_BACKLOG, reuse_port=False
    )
