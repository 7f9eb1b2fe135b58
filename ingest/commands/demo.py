"""`penstock demo`: the main job once, from nothing, with every answer checked."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from typing import Any

import click
import httpx
from rich.console import Console
from rich.syntax import Syntax

from ingest.commands.demo_receiver import Receiver, declare_trigger
from ingest.commands.demo_steps import (
    CREATED,
    STEPS,
    Step,
    check_answer,
    check_profile,
)
from ingest.domain.errors import PenstockError
from ingest.store.database import connect

#: How long a stop may take: callers are answered and batches finished first.
_STOP_SECONDS = 60
#: How long a delivery may take: a beat, at most, and a second.
_DELIVERY_SECONDS = 20


class DemoFailed(PenstockError):
    """Something was not as it should be; the lines before say what."""


@click.command(epilog="Example:\n\n    penstock demo")
def demo() -> None:
    """Show a first import, from nothing.

    Starts real servers, an intake and workers in a temporary directory, sends the
    samples, prints each answer and the profile that results, shows the trigger that
    the new profiles fired, and stops everything. Exits 0 only if all is as it should
    be.
    """
    console = Console()
    receiver = Receiver()
    with (
        receiver.running(),
        tempfile.TemporaryDirectory(prefix="penstock-demo-") as state,
        _up(state) as at,
    ):
        secret = declare_trigger(at["database"], receiver.url)
        failures = [
            failure for step in STEPS for failure in _show_step(console, at, step)
        ]
        failures += _show_deliveries(console, receiver, secret)
        console.rule("stopping")
    for failure in failures:
        console.print(f"[red]✗[/red] {failure}")
    if failures:
        raise DemoFailed(f"{len(failures)} of the demo's checks failed, see above")
    console.print("[green]✓[/green] every answer and profile is as it should be")


@contextmanager
def _up(state: str) -> Iterator[dict[str, Any]]:
    """Run `penstock up` and yield what it says when it is ready."""
    argv = [sys.executable, "-m", "ingest.cli", "up", "--json", "--http-port", "0"]
    process = subprocess.Popen(  # noqa: S603  # our own command
        [*argv, "--state-dir", state],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PENSTOCK_WEBHOOK_ALLOW": "127.0.0.1"},
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        if not line:
            raise DemoFailed("The servers did not start; the lines above say why")
        yield json.loads(line)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=_STOP_SECONDS)


def _show_step(console: Console, at: Mapping[str, Any], step: Step) -> list[str]:
    """Send one sample and print what came of it; return what was not as expected."""
    body = resources.files("ingest.local").joinpath("samples", step.sample).read_text()
    kind = step.sample.rpartition(".")[2]
    console.rule(step.title)
    console.print(f"→ POST /api/v1.1/{step.method}")
    console.print(
        Syntax(body.rstrip(), kind, background_color="default", word_wrap=True)
    )
    answer = httpx.post(
        f"{at['http']}/api/v1.1/{step.method}",
        content=body,
        headers={
            "Content-Type": f"application/{kind}",
            "Authorization": f"Bearer {at['token']}",
        },
        timeout=30,
    )
    console.print(
        f"← {answer.status_code} {answer.text.strip()}", markup=False, soft_wrap=True
    )
    profile = _read_profile(at["database"], step.email)
    console.print("profile: none" if profile is None else "profile:")
    if profile is not None:
        console.print_json(data=profile)
    return [*check_answer(step, answer.text), *check_profile(step, profile)]


def _show_deliveries(console: Console, receiver: Receiver, secret: str) -> list[str]:
    """Print what the trigger's receiver was told; return what it was not."""
    console.rule("Trigger: each new profile, delivered to a receiver here, signed")
    known = {}
    for _ in CREATED:
        try:
            message = receiver.take(secret, _DELIVERY_SECONDS)
        except queue.Empty:
            break
        console.print_json(data=message)
        known[message["data"]["profile_id"]] = message
    missing = len(CREATED) - len(known)
    return [f"{missing} deliveries did not arrive"] if missing else []


#: A profile of the demo's database by its email, found as an import finds it.
_PROFILE = """
    SELECT profiles.id, profiles.email, phones, fields,
           ARRAY(SELECT resource_id || '/' || channel || ' ' || status
                   FROM subscriptions
                  WHERE subscriptions.database_id = profiles.database_id
                    AND subscriptions.profile_id = profiles.id
                  ORDER BY priority),
           ARRAY(SELECT segment_id
                   FROM segment_members
                  WHERE segment_members.database_id = profiles.database_id
                    AND segment_members.profile_id = profiles.id
                  ORDER BY segment_id)
      FROM match_keys
      JOIN profiles
        ON profiles.database_id = match_keys.database_id
       AND profiles.id = match_keys.profile_id
     WHERE match_keys.database_id = 1
       AND kind = 'email'
       AND value = %(email)s
    """


def _read_profile(database_url: str, email: str) -> dict[str, Any] | None:
    """Return the profile with its subscriptions and segments, by plain SQL."""
    with connect(database_url, application_name="penstock-demo") as connection:
        row = connection.execute(_PROFILE, {"email": email}).fetchone()
    if row is None:
        return None
    profile_id, stored_email, phones, fields, subscriptions, segments = row
    return {
        "id": profile_id,
        "email": stored_email,
        "phones": phones,
        **fields,
        "subscriptions": subscriptions,
        "segments": segments,
    }
