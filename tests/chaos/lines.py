"""What chaos plays in lines, each a thread that plays one after another."""

import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
import orjson

from tests.chaos.producer import InDoubt, Refused, Sender, UnexpectedAnswer

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Answer = dict[str, Any]
#: Plays what is called by this name; returns what is written down of it.
Play = Callable[..., "DataclassInstance"]
_Played = TypeVar("_Played")
RETRY_SECONDS = 0.2
#: What a request waits for: to be accepted, or its outcome, for so many seconds.
ACCEPTED, WAITS = "respond-async", "wait=5"
#: An intake has not read yet that there is a database for what is played.
_NO_DATABASE_YET = "Database not found: db_id"


def read_played(path: Path, kind: Callable[..., _Played]) -> list[_Played]:
    """Read what was played to its end."""
    if not path.exists():
        return []
    return [kind(**orjson.loads(line)) for line in path.read_bytes().splitlines()]


def make_command(
    play: Play,
    *,
    named: str,
    lines: int,
    pause_seconds: float,
    said: str,
    options: Sequence[click.Option] = (),
) -> click.Command:
    """Return the command that plays in so many lines until SIGTERM.

    What is under way is finished. Every name begins with `named`. `play` gets a sender,
    a name, and the values of `options`.
    """

    @click.command()
    @click.option("--url", required=True)
    @click.option("--token", required=True)
    @click.option("--seed", type=int, required=True)
    @click.option("--log", type=click.Path(path_type=Path), required=True)
    @click.option("--lines", type=int, default=lines)
    @click.option("--most", type=int, default=2**31, help="Plays of each line.")
    def main(
        url: str, token: str, seed: int, log: Path, lines: int, most: int, **more: Any
    ) -> None:
        ended = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: ended.set())
        opened = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

        def play_line(line: int) -> int:
            sender, number = Sender(url, token), 0
            while number < most and not ended.wait(pause_seconds):
                number += 1
                played = play(sender, f"{named}-{seed}-{line}-{number}", **more)
                os.write(opened, orjson.dumps(asdict(played)) + b"\n")
            return number

        with ThreadPoolExecutor(lines) as pool:
            click.echo(f"{said} {sum(pool.map(play_line, range(lines)))}")

    main.params.extend(options)
    return main


def insist(
    send: Callable[[], tuple[int, Answer]],
    passes: Callable[[Answer], bool] = lambda _answer: False,
) -> tuple[int, Answer]:
    """Send until there is an answer that does not pass; return status and answer."""
    pause = threading.Event()
    while True:
        try:
            status, answer = send()
        except (Refused, InDoubt):
            pause.wait(RETRY_SECONDS)
            continue
        if not passes(answer):
            return status, answer
        pause.wait(RETRY_SECONDS)


def submit(
    sender: Sender,
    key: str,
    path: str,
    document: Mapping[str, Any],
    prefer: str = ACCEPTED,
) -> Answer:
    """Send `document` under `key` until it is certain to come; return the answer.

    Raises UnexpectedAnswer if it is refused.
    """
    status, answer = insist(
        lambda: sender.ask(key, path, document, prefer),
        lambda answer: answer["error_text"] == _NO_DATABASE_YET,
    )
    if status not in (200, 202) or answer["error"]:
        raise UnexpectedAnswer(f"{key}: {status} {orjson.dumps(answer).decode()}")
    return answer


def submit_until(
    sender: Sender, key: str, path: str, document: Mapping[str, Any], member: str
) -> Answer:
    """Send `document` under `key` until the answer, once it is applied, has `member`.

    Raises UnexpectedAnswer if it is refused.
    """
    pause = threading.Event()
    while member not in (answer := submit(sender, key, path, document, WAITS)):
        pause.wait(RETRY_SECONDS)
    return answer
