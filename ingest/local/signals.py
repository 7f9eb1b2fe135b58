"""Signals as something to wait for, in a program with one thread."""

import selectors
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType, TracebackType
from typing import Self

_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Signals:
    """Counts requests to stop, and wakes a wait at these or at the end of a child.

    Nothing is interrupted: a request is seen where the program looks for it.
    """

    def __init__(self) -> None:
        self.stop_requests = 0
        self._reader, self._writer = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._restore: list[Callable[[], object]] = []

    def __enter__(self) -> Self:
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._selector.register(self._reader, selectors.EVENT_READ)
        previous_fd = signal.set_wakeup_fd(
            self._writer.fileno(), warn_on_full_buffer=False
        )
        self._restore.append(partial(signal.set_wakeup_fd, previous_fd))
        for number in _STOP:
            self._handle(number, self._request_stop)
        self._handle(signal.SIGCHLD, lambda *_: None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for restore in self._restore:
            restore()
        self._selector.close()
        self._reader.close()
        self._writer.close()

    def _handle(
        self, number: signal.Signals, handler: Callable[[int, FrameType | None], None]
    ) -> None:
        previous = signal.signal(number, handler)
        self._restore.append(partial(signal.signal, number, previous))

    def _request_stop(self, number: int, frame: FrameType | None) -> None:
        self.stop_requests += 1

    def wait(self, seconds: float) -> None:
        """Wait for a signal, `seconds` at most."""
        if self._selector.select(seconds):
            self._reader.recv(4096)
