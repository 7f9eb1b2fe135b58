"""`penstock demo`: the main job once, from nothing, with every answer checked."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import click
import httpx
from rich.console import Console
from rich.syntax import Syntax

from ingest.domain.errors import PenstockError
from ingest.store.database import connect

#: How long a stop may take: callers are answered and batches finished first.
_STOP_SECONDS = 60


class DemoFailed(PenstockError):
    """Something was not as it should be; the lines before say what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One sample: what is sent, and what must come of it."""

    title: str
    #: A file of ingest/local/samples.
    sample: str
    error: int = 0
    error_text: str = "Successful operation"
    #: Of the profile that results; empty where none may exist.
    email: str
    expected: Mapping[str, Any] = field(default_factory=dict)


STEPS = (
    Step(
        title="JSON: a new profile, found by nobody's email",
        sample="create.json",
        email="ada@example.com",
        expected={
            "phones": ["+442079460018"],
            "points": 10,
            "_sex": "female",
            "interests": ["engines", "poetry"],
            "subscriptions": ["1/email subscribed", "1/telegram_bot subscribed"],
            "segments": [1],
        },
    ),
    Step(
        title="XML: another one, matched by phone",
        sample="create.xml",
        email="grace@example.com",
        expected={
            "phones": ["+12025550143"],
            "_fname": "Grace",
            "interests": ["compilers", "ships"],
            "subscriptions": ["1/sms subscribed"],
            "segments": [],
        },
    ),
    Step(
        title="Update: functions, a status and a segment, matched by phone",
        sample="update.json",
        email="ada@example.com",
        expected={
            "_fname": "Ada",
            "_lname": None,
            "points": 42,
            "interests": ["engines", "poetry", "mathematics"],
            "subscriptions": ["1/email unsubscribed", "1/telegram_bot subscribed"],
            "segments": [],
        },
    ),
    Step(
        title="Error: one bad request, refused whole",
        sample="error.json",
        error=400,
        error_text="Not an integer: data.points",
        email="eve@example.com",
    ),
)


@click.command(epilog="Example:\n\n    penstock demo")
def demo() -> None:
    """Show a first import, from nothing.

    Starts real servers, an intake and workers in a temporary directory, sends the
    samples, prints each answer and the profile that results, and stops everything.
    Exits 0 only if all is as it should be.
    """
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="penstock-demo-") as state,
        _up(state) as at,
    ):
        failures = [
            failure for step in STEPS for failure in _show_step(console, at, step)
        ]
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
        [*argv, "--state-dir", state], stdout=subprocess.PIPE, text=True
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
    console.print("→ POST /api/v1.1/profiles/import")
    console.print(
        Syntax(body.rstrip(), kind, background_color="default", word_wrap=True)
    )
    answer = httpx.post(
        f"{at['http']}/api/v1.1/profiles/import",
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
    return [*_check_answer(step, answer), *_check_profile(step, profile)]


def _check_answer(step: Step, answer: httpx.Response) -> Iterator[str]:
    expected = [f"{step.error}", step.error_text]
    if not all(text in answer.text for text in expected):
        yield f"{step.sample}: expected {' and '.join(expected)} in the answer"


def _check_profile(step: Step, profile: Mapping[str, Any] | None) -> Iterator[str]:
    if (profile is None) is not (not step.expected):
        wanted = "exist" if step.expected else "not exist"
        yield f"{step.sample}: the profile should {wanted}"
    for name, value in step.expected.items():
        found = (profile or {}).get(name)
        if found != value:
            yield f"{step.sample}: {name} is {found!r}, should be {value!r}"


def _read_profile(database_url: str, email: str) -> dict[str, Any] | None:
    """Return the profile with its subscriptions and segments, by plain SQL."""
    with connect(database_url, application_name="penstock-demo") as connection:
        row = connection.execute(
            """
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
            """,
            {"email": email},
        ).fetchone()
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
