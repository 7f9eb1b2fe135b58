"""The programs of docs/receivers verify what a courier has sent, and nothing else."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from ingest.settings import Settings
from ingest.store.events.endpoints import find_secret
from ingest.wire.event_messages import sign
from tests.conftest import Connection
from tests.factories import make_import
from tests.intakes import wait_until
from tests.pipeline import Pipeline
from tests.programs import find_program
from tests.receivers import Received, declare, receiving
from workers.delivery_dispatcher import Dispatcher

RECEIVERS = Path(__file__).parents[2] / "docs/receivers"
COMMANDS = {
    "python": (sys.executable, "verify_webhook.py"),
    "node": ("node", "verify-webhook.mjs"),
    "php": ("php", "verify_webhook.php"),
    "java": ("java", "VerifyWebhook.java"),
    "go": ("go", "run", "verify_webhook.go"),
    "ruby": ("ruby", "verify_webhook.rb"),
}
#: Building a Go program takes a while.
RUN_SECONDS = 90


@pytest.fixture
def received(connection: Connection, settings: Settings) -> Iterator[list[Received]]:
    """What a courier sends: an event by itself, and a batch of two."""
    allowed = replace(settings, webhook_allow=("127.0.0.0/8",))
    with receiving() as alone, receiving() as batched:
        declare(connection, alone.url)
        import_one(connection, "ånn")
        with closing(Dispatcher(allowed)) as courier:
            courier.wake()
            wait_until(lambda: alone.received)
        declare(connection, batched.url, batch=2)
        import_one(connection, "bob", "cid")
        with closing(Dispatcher(allowed)) as courier:
            courier.wake()
            wait_until(lambda: batched.received)
        yield [*alone.received, *batched.received]


def import_one(connection: Connection, *names: str) -> None:
    imports = [
        make_import("email", {"_fname": name}, key={"email": f"{number}@example.com"})
        for number, name in enumerate(names, start=len(names))
    ]
    Pipeline(connection).apply(*imports)


def run(
    command: Sequence[str], secret: str, received: Received
) -> subprocess.CompletedProcess[str]:
    """Run a program as a server would call it; do without if it is not installed."""
    program, *arguments = command
    environ = {
        "WEBHOOK_SECRET": secret,
        "WEBHOOK_ID": received.headers["webhook-id"],
        "WEBHOOK_TIMESTAMP": received.headers["webhook-timestamp"],
        "WEBHOOK_SIGNATURE": received.headers["webhook-signature"],
    }
    done = subprocess.run(
        [find_program(program), *arguments],
        cwd=RECEIVERS,
        env=os.environ | environ,
        input=received.body,
        check=False,
        capture_output=True,
        timeout=RUN_SECONDS,
    )
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def expect(language: str, received: Received) -> str:
    if language == "java":
        return f"verified {received.headers['webhook-id']}\n"
    message = orjson.loads(received.body)
    events = message["data"] if message["type"] == "batch" else [message]
    return "".join(f"{one['type']} {one['data']['event_id']}\n" for one in events)


def age(secret: str, received: Received, seconds: int) -> Received:
    """Return a message as it was signed some time ago."""
    moment = datetime.now(UTC) - timedelta(seconds=seconds)
    event_id = UUID(received.headers["webhook-id"])
    return replace(received, headers=sign(secret, event_id, moment, received.body))


def change(received: Received, **headers: str) -> Received:
    return replace(received, headers=received.headers | headers)


@pytest.mark.fact("TR.9-verify")
@pytest.mark.parametrize("language", COMMANDS)
def test_a_receiver_accepts_what_is_signed_and_refuses_the_rest(
    language: str, connection: Connection, received: list[Received]
) -> None:
    secret, command = find_secret(connection, 1), COMMANDS[language]
    assert secret is not None
    alone, batch = received
    # While a secret is replaced there are several signatures.
    other = sign("whsec_" + "b3RoZXI=", UUID(int=7), datetime.now(UTC), b"x")
    signatures = f"{other['webhook-signature']} {batch.headers['webhook-signature']}"

    for good in (alone, change(batch, **{"webhook-signature": signatures})):
        done = run(command, secret, good)
        assert (done.returncode, done.stdout) == (0, expect(language, good)), done
    for bad in (
        replace(alone, body=alone.body.replace(b"created", b"updated")),
        change(alone, **{"webhook-id": str(UUID(int=7))}),
        age(secret, alone, 400),
    ):
        done = run(command, secret, bad)
        assert (done.returncode, done.stdout) == (1, ""), bad
        assert "Refused" in done.stderr


def test_every_program_is_run_and_named_on_the_page() -> None:
    programs = {path.name for path in RECEIVERS.iterdir()}

    assert programs == {command[-1] for command in COMMANDS.values()}
    page = (RECEIVERS.parent / "triggers.md").read_text()
    assert [name for name in programs if f"(receivers/{name})" not in page] == []
