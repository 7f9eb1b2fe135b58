"""A relay to Postgres that can be cut; run as a process of its own.

It reads its orders from standard input, one a line: `open`, `hold` (nothing passes and
nothing is said, as with a lost network) and `reset` (every connection breaks).
"""

import asyncio
import ctypes
import os
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass, field

import click

_CHUNK_BYTES = 256 * 1024
#: As Postgres is told to by our sessions: a caller that is gone is noticed, and its
#: locks go with it. To Postgres the relay is the caller.
_KEEPALIVE = {
    socket.TCP_KEEPIDLE: 10,
    socket.TCP_KEEPINTVL: 5,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 15_000,
}


@dataclass
class Relay:
    """Copies bytes both ways between whoever connects and one port of this machine."""

    port: int
    passing: asyncio.Event = field(default_factory=asyncio.Event)
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Connect a caller to the port until either side ends."""
        await self.passing.wait()
        watch(writer.get_extra_info("socket"))
        try:
            far_reader, far_writer = await asyncio.open_connection(
                "127.0.0.1", self.port
            )
        except OSError:
            writer.transport.abort()
            return
        self.writers |= {writer, far_writer}
        await asyncio.gather(
            self._copy(reader, far_writer), self._copy(far_reader, writer)
        )
        self.writers -= {writer, far_writer}

    async def _copy(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self.passing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    def obey(self, order: str) -> None:
        """Do as one line of the input says."""
        if order == "open":
            self.passing.set()
        elif order == "hold":
            self.passing.clear()
        elif order == "reset":
            for writer in list(self.writers):
                writer.transport.abort()


def watch(caller: socket.socket) -> None:
    """Notice in bounded time when `caller` is gone without a word."""
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _KEEPALIVE.items():
        caller.setsockopt(socket.IPPROTO_TCP, option, value)


def listen_in(namespace: str, address: str, port: int) -> socket.socket:
    """Listen on `address` of a network namespace, and come back from it."""
    libc = ctypes.CDLL(None, use_errno=True)
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    away = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(away, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    try:
        return socket.create_server((address, port))
    finally:
        libc.setns(home, 0)
        os.close(home)
        os.close(away)


async def relay(listener: socket.socket, port: int) -> None:
    """Relay from `listener` to `port` until the input ends."""
    made = Relay(port)
    made.passing.set()
    orders = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(orders)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, sys.stdin)
    async with await asyncio.start_server(made.serve, sock=listener):
        click.echo("ready")
        while order := await orders.readline():
            made.obey(order.decode().strip())


@click.command()
@click.option("--address", required=True)
@click.option("--port", type=int, required=True)
@click.option("--namespace")
def main(address: str, port: int, namespace: str | None) -> None:
    """Relay from `port` of `address` to the same port of 127.0.0.1."""
    if namespace is None:
        listener = socket.create_server((address, port))
    else:
        listener = listen_in(namespace, address, port)
    asyncio.run(relay(listener, port))


if __name__ == "__main__":
    main()
