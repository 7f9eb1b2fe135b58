"""What chaos plays in lines, each a thread that plays one after another."""

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.chaos.producer import InDoubt, Refused

#: Plays what is called by this name; returns what is written of it to the log.
Play = Callable[[str], bytes]
Answer = dict[str, Any]


def play_lines(
    open_line: Callable[[], Play],
    log: Path,
    *,
    lines: int,
    named: str,
    pause_seconds: float,
) -> int:
    """Play in so many lines until SIGTERM; return how often.

    What is under way is finished. Every name begins with `named`.
    """
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    opened = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def play_line(line: int) -> int:
        play, number = open_line(), 0
        while not ended.wait(pause_seconds):
            number += 1
            os.write(opened, play(f"{named}-{line}-{number}"))
        return number

    with ThreadPoolExecutor(lines) as pool:
        return sum(pool.map(play_line, range(lines)))


def insist(
    send: Callable[[], tuple[int, Answer]],
    passes: Callable[[Answer], bool],
    pause_seconds: float,
) -> tuple[int, Answer]:
    """Send until there is an answer that does not pass; return status and answer."""
    pause = threading.Event()
    while True:
        try:
            status, answer = send()
        except (Refused, InDoubt):
            pause.wait(pause_seconds)
            continue
        if not passes(answer):
            return status, answer
        pause.wait(pause_seconds)
