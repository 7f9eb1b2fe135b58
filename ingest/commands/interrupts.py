"""Interruption of commands that process rows, by Ctrl-C or SIGTERM."""

import signal
from threading import Event

import click


def stop_on_signals(stop: Event, give_up: Event) -> None:
    """Stop reading at the first signal, and stop waiting at the second."""

    def interrupt(*_: object) -> None:
        if stop.is_set():
            give_up.set()
        else:
            click.echo(
                "Stopping after the rows in flight. Press Ctrl-C again to stop now.",
                err=True,
            )
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
