"""Names of hosts to addresses: no name's lookup is waited for by another's."""

import asyncio
import socket
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Any

#: Longer than a resolver takes that is asked for a second time.
RESOLVE_SECONDS = 10.0
#: An answer is good for so long; the system tells nothing of how long it is.
KEPT_SECONDS = 30.0
#: Lookups under way, each in a thread of its own: one that hangs cannot be ended.
_MAX_LOOKUPS = 64

_Where = tuple[str, int]
#: As `socket.getaddrinfo`.
AddressLookup = Callable[..., Sequence[tuple[Any, ...]]]


class Resolver:
    """Looks names up, each once at a time, and remembers them for a moment.

    For one event loop.
    """

    def __init__(self, lookup: AddressLookup = socket.getaddrinfo) -> None:
        self._lookup = lookup
        self._under_way: dict[_Where, Future[list[str]]] = {}
        #: Addresses, and until when they are good.
        self._kept: dict[_Where, tuple[list[str], float]] = {}

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of `host`.

        Raises TimeoutError after RESOLVE_SECONDS, OSError where there are none or too
        many names are looked up, UnicodeError for what is no name.
        """
        loop, where = asyncio.get_running_loop(), (host, port)
        addresses, good_until = self._kept.get(where, ([], 0.0))
        if loop.time() < good_until:
            return addresses
        looked_up = self._under_way.get(where) or self._start(where, loop)
        async with asyncio.timeout(RESOLVE_SECONDS):
            return await asyncio.shield(looked_up)

    def forget(self, host: str, port: int) -> None:
        """Look `host` up again the next time: its address does not answer."""
        self._kept.pop((host, port), None)

    def _start(self, where: _Where, loop: AbstractEventLoop) -> Future[list[str]]:
        if len(self._under_way) >= _MAX_LOOKUPS:
            raise OSError("Too many names are being looked up")
        looked_up: Future[list[str]] = loop.create_future()
        self._under_way[where] = looked_up
        looked_up.add_done_callback(lambda ended: self._end(where, ended, loop.time()))
        # Not of a pool: a worker would wait for a lookup that hangs before it ends.
        work = Thread(
            target=self._work, args=(where, looked_up, loop), name="dns", daemon=True
        )
        work.start()
        return looked_up

    def _work(
        self, where: _Where, looked_up: Future[list[str]], loop: AbstractEventLoop
    ) -> None:
        settle: Callable[[], None]
        try:
            found = self._lookup(*where, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError, ValueError, OverflowError) as error:
            settle = partial(looked_up.set_exception, error)
        else:
            addresses = [str(at[0]) for *_, at in found]
            settle = partial(looked_up.set_result, addresses)
        # The loop may have ended meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle)

    def _end(self, where: _Where, ended: Future[list[str]], now: float) -> None:
        del self._under_way[where]
        # Of a failure, whoever waits hears; perhaps nobody does any more.
        if not ended.cancelled() and ended.exception() is None:
            self._kept[where] = ended.result(), now + KEPT_SECONDS
