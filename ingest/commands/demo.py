"""`penstock demo`: the main job and a crash, from nothing, with all of it checked."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

import click
import httpx
from rich.console import Console

from ingest.commands.demo_crash import IMPORTS, PEOPLE, show_crash
from ingest.commands.demo_display import describe_request, list_changes, say
from ingest.commands.demo_profiles import read_profile
from ingest.commands.demo_receiver import Receiver, declare_trigger
from ingest.commands.demo_steps import (
    CREATED,
    STEPS,
    DemoStep,
    check_answer,
    check_profile,
)
from ingest.commands.outputs import make_console
from ingest.domain.errors import PenstockError
from ingest.local.processes import tail

#: How long a stop may take: callers are answered and batches finished first.
_STOP_SECONDS = 60
#: How long a delivery may take: a beat, at most, and a second.
_DELIVERY_SECONDS = 20


class DemoFailed(PenstockError):
    """Something was not as it should be; the lines before say what."""


@click.command(epilog="Example:\n\n    penstock demo")
@click.option("--verbose", is_flag=True, help="Show complete requests and profiles.")
def demo(verbose: bool) -> None:
    """Show first imports and a crash, from nothing.

    Starts real servers, an intake and workers in a temporary directory. Sends the
    samples and shows each answer and what changed in Postgres; kills a worker with
    imports under way and counts what was applied; and stops everything. Exits 0 only
    if all of it is as it should be.
    """
    console = make_console()
    receiver = Receiver()
    with (
        receiver.running(),
        tempfile.TemporaryDirectory(prefix="penstock-") as state,
        _up(console, Path(state), verbose=verbose) as at,
    ):
        secret = declare_trigger(at["database"], receiver.url)
        failures = [
            failure
            for number, step in enumerate(STEPS, start=1)
            for failure in _show_step(console, at, number, step, verbose=verbose)
        ]
        _title(
            console, len(STEPS) + 1, f"Kill a worker with {IMPORTS:,} imports under way"
        )
        failures += show_crash(console, at, Path(state))
        _title(
            console, len(STEPS) + 2, "Trigger: a signed webhook for each new profile"
        )
        failures += _show_deliveries(console, receiver, secret, verbose=verbose)
        console.print()
    conclude(console, failures)


def conclude(console: Console, failures: list[str]) -> None:
    """Say what was not as it should be and raise DemoFailed, or that nothing was."""
    for failure in failures:
        console.print(f"✗ {failure}", style="red")
    if failures:
        raise DemoFailed(f"{len(failures)} of the demo's checks failed, see above")
    console.print(
        "✓ every answer, profile, and count is as it should be", style="green"
    )


@contextmanager
def _up(console: Console, state: Path, *, verbose: bool) -> Iterator[dict[str, Any]]:
    """Run `penstock up` and yield what it says when it is ready."""
    console.print("Starting servers, an intake, and workers: ", end="")
    sys.stdout.flush()
    started = time.monotonic()
    argv = [sys.executable, "-m", "ingest.cli", "up", "--json", "--http-port", "0"]
    log = state / "up.log"
    with log.open("wb") as told:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [*argv, "--state-dir", str(state)],
            stdout=subprocess.PIPE,
            stderr=None if verbose else told,
            text=True,
            env={
                **os.environ,
                "PENSTOCK_WEBHOOK_ALLOW": "127.0.0.1",
                # What the killed worker leaves goes with the rest.
                "TMPDIR": str(state),
            },
        )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise DemoFailed(f"The servers did not start:\n{tail(log)}")
        console.print(f"ready after {time.monotonic() - started:.0f} s")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=_STOP_SECONDS)


def _title(console: Console, number: int, title: str) -> None:
    console.print(f"\n{number}  {title}", style="bold")


def _show_step(
    console: Console,
    at: Mapping[str, Any],
    number: int,
    step: DemoStep,
    *,
    verbose: bool,
) -> list[str]:
    """Send one sample and print what came of it; return what was not as expected."""
    body = resources.files("ingest.local").joinpath("samples", step.sample).read_text()
    kind = step.sample.rpartition(".")[2]
    before = read_profile(at["database"], step.email)
    _title(console, number, step.title)
    say(console, describe_request(f"/api/v1.1/{step.method}", body))
    if verbose:
        console.print(body.rstrip())
    answer = httpx.post(
        f"{at['http']}/api/v1.1/{step.method}",
        content=body,
        headers={
            "Content-Type": f"application/{kind}",
            "Authorization": f"Bearer {at['token']}",
        },
        timeout=30,
    )
    say(console, f"← {answer.status_code} {answer.text.strip()}")
    profile = read_profile(at["database"], step.email)
    for line in list_changes(before, profile, step.expected):
        say(console, f"  {line}", "cyan")
    if profile is None:
        say(console, f"  no profile {step.email}: nothing was written", "cyan")
    if verbose and profile is not None:
        console.print_json(data=profile)
    return [*check_answer(step, answer.text), *check_profile(step, profile)]


def _show_deliveries(
    console: Console, receiver: Receiver, secret: str, *, verbose: bool
) -> list[str]:
    """Say how much the trigger's receiver was told; return what it was not."""
    told = set[str]()
    expected = len(CREATED) + PEOPLE
    while len(told) < expected:
        try:
            message = receiver.take(secret, _DELIVERY_SECONDS)
        except queue.Empty:
            break
        if verbose:
            console.print_json(data=message, indent=None)
        told.add(message["data"]["profile_id"])
    say(console, f"← {len(told)} of {expected} new profiles, each signature verified")
    missing = expected - len(told)
    return [f"{missing} deliveries did not arrive"] if missing else []
