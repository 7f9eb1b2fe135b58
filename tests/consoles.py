"""A served console, and something to see in it."""

import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID

import httpx
import redis

from ingest.commands.console import make_server
from ingest.domain.imports import Import
from ingest.domain.jobs import JobState
from ingest.domain.tokens import Scope
from ingest.local.bootstrap import DEMO_SECRET
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.store.dead_letters.write import DeadLetter, insert_dead_letter
from ingest.store.jobs.progress import finish_job
from ingest.store.tokens import create_token
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.drains import draining
from tests.factories import make_import
from tests.intakes import DEADLINE_SECONDS, ServedIntake, serving
from tests.made_jobs import begin, read_on
from tests.pipeline import Pipeline

_TOKEN = re.compile('name="form_token" value="([0-9a-f]+)"')


@dataclass(frozen=True)
class Console:
    """A console behind a real server, and an admin's secret."""

    settings: Settings
    url: str
    secret: str
    client: httpx.Client

    def get(self, path: str) -> httpx.Response:
        """Ask for a page as a program does."""
        bearer = {"Authorization": f"Bearer {self.secret}"}
        return self.client.get(path, headers=bearer)

    def post(self, path: str, **form: str) -> httpx.Response:
        """Send a form as a program does."""
        bearer = {"Authorization": f"Bearer {self.secret}"}
        return self.client.post(path, data=form, headers=bearer)

    def log_in(self, secret: str | None = None) -> httpx.Response:
        """Log in as a browser does."""
        form = {
            "form_token": form_token(self.client.get("/login").text),
            "secret": self.secret if secret is None else secret,
        }
        return self.client.post("/login", data=form)


def form_token(page: str) -> str:
    """Return what the forms of a page carry."""
    found = _TOKEN.search(page)
    assert found, page
    return found[1]


def make_admin(settings: Settings, scopes: Collection[Scope] = (Scope.ADMIN,)) -> str:
    """Return the secret of a new admin."""
    with connect(settings.database_url) as connection:
        _, secret = create_token(
            connection, name="ada", database_ids=(), actions=scopes
        )
    return secret


@contextmanager
def console(
    settings: Settings, scopes: Collection[Scope] = (Scope.ADMIN,)
) -> Iterator[Console]:
    """Serve a console to an admin."""
    with (
        serving(make_server(settings)) as url,
        httpx.Client(base_url=url, timeout=30, verify=False) as client,
    ):
        yield Console(settings, url, make_admin(settings, scopes), client)


def listen(connection: Connection) -> None:
    """Declare endpoints and triggers that every import is told to."""
    crm = make_endpoint(name="CRM", url="https://crm.example.com/hooks")
    mail = make_endpoint(id=2, name="Mail", url="https://mail.example.com/in")
    with connection.transaction():
        declared = replace(
            load_declared(connection),
            endpoints={1: crm, 2: mail},
            triggers={
                1: make_trigger(name="Every import"),
                2: make_trigger(id=2, endpoint_id=2, name="Mailing"),
            },
        )
        save_catalog(connection, declared)


@dataclass(frozen=True)
class Filled:
    """What there is to see."""

    profile_id: str
    #: Another person.
    other_id: str
    created: UUID
    updated: UUID
    rejected: UUID
    waiting: UUID
    #: Numbers of dead letters: one that a replay applies, one that stays.
    letters: tuple[int, int]
    #: Files: one with rejects, one that is read.
    jobs: tuple[UUID, UUID]


def send_people(intake: ServedIntake, count: int) -> None:
    """Have `count` imports accepted at once, one of 40 of which will be rejected."""
    people = [
        {
            "email": f"person{number % 500}@example.com",
            "data": {"points": "none" if number % 40 == 39 else number},
        }
        for number in range(count)
    ]
    key = {"token": DEMO_SECRET, "db_id": 1, "matching": "email"}
    path = "/api/v1.1/profiles/import_batch"
    intake.post({**key, "data": people}, {"Prefer": "respond-async"}, path)


@contextmanager
def working(intake: ServedIntake) -> Iterator[None]:
    """Apply what is accepted, and accept a little, until the block ends."""
    ended = threading.Event()

    def send() -> None:
        while not ended.wait(0.1):
            send_people(intake, 20)

    with draining(intake.settings):
        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            yield
        finally:
            ended.set()
            sender.join(DEADLINE_SECONDS)


def make_update(data: dict[str, object], email: str = "ada@example.com") -> Import:
    return make_import("email", data, key={"email": email})


def fill(settings: Settings) -> Filled:
    """Apply imports, leave some waiting, bury some, and try to deliver events."""
    with connect(settings.database_url) as connection:
        listen(connection)
        pipeline = Pipeline(connection)
        imports = [make_update(data) for data in _HISTORY]
        outcome = [pipeline.apply(each)[0] for each in imports][-1]
        rejected = make_update({"points": "many", "phones": ["12"]})
        others = [make_update({"points": n}, f"p{n}@example.com") for n in range(30)]
        other, *_ = pipeline.apply(*others[:20], rejected)
        pipeline.apply(*others[20:])
        pipeline.apply(make_update({"_fname": "Ada"}))
        _attempt(connection)
        letters = _bury(connection)
        jobs = _bring_files(connection)
    waiting = [make_update({"points": n}) for n in range(7)]
    with redis.Redis.from_url(settings.redis_url) as client:
        for number, each in enumerate(waiting):
            client.xadd(stream_key(number % 3), {"i": encode(each)})
    assert outcome.profile_id is not None
    return Filled(
        profile_id=outcome.profile_id,
        other_id=other.profile_id or "",
        created=imports[0].import_id,
        updated=imports[-1].import_id,
        rejected=rejected.import_id,
        waiting=waiting[0].import_id,
        letters=letters,
        jobs=jobs,
    )


def _bring_files(connection: Connection) -> tuple[UUID, UUID]:
    """Bring a file of which some rows were rejected, and one that is half read."""
    name = "/srv/imports/customers-of-the-autumn-campaign-2026-11-30.csv"
    done, running = begin(connection, 9, name=name), begin(connection, token_id=1)
    read_on(connection, done, 5000, created=4000, updated=987, rejected=13)
    finish_job(connection, done.id, JobState.DONE, datetime.now(UTC))
    read_on(connection, running, 9000, created=3600, unchanged=900)
    return done.id, running.id


_HISTORY: tuple[dict[str, object], ...] = (
    {
        "_fname": "Ada",
        "points": 10,
        "subscriptions": [
            {"channel": "email", "email": "ada@example.com", "resource_id": 1}
        ],
    },
    {"points": 25, "interests": ["engines", "poetry"]},
    {
        "_lname": "Lovelace",
        "points": 42,
        "phones": ["+44 20 7946 0018"],
        "interests": {"action": "add", "value": "mathematics"},
    },
)


def _attempt(connection: Connection) -> None:
    """Let CRM take everything, and Mail fail; one delivery was given up."""
    connection.execute(
        """
        INSERT INTO delivery_attempts
        SELECT event_id, 1, 1, events.created_at, 38, 200, ''
          FROM deliveries JOIN events ON events.id = event_id
         WHERE endpoint_id = 1;

        INSERT INTO delivery_attempts
        SELECT event_id, 2, number,
               events.created_at + number * INTERVAL '5 seconds', 5012, 503, 'HTTP 503'
          FROM deliveries JOIN events ON events.id = event_id,
               generate_series(1, 3) AS number
         WHERE endpoint_id = 2;

        UPDATE deliveries SET state = 'delivered', attempts = 1, delivered_at = now()
         WHERE endpoint_id = 1;

        UPDATE deliveries
           SET attempts = 3, next_attempt_at = now() + INTERVAL '30 minutes'
         WHERE endpoint_id = 2;

        UPDATE deliveries SET state = 'failed'
         WHERE endpoint_id = 2
           AND event_id IN (SELECT id FROM events ORDER BY created_at LIMIT 1);

        UPDATE endpoints SET failures = 5, paused_until = now() + INTERVAL '4 minutes'
         WHERE id = 2
        """
    )


def _bury(connection: Connection) -> tuple[int, int]:
    """Bury an import that is applied if it is replayed, and what is no import."""
    constraint = "CHECK ((fields ->> 'points') IS DISTINCT FROM '43')"
    connection.execute(f"ALTER TABLE profiles ADD CONSTRAINT a_bug {constraint}")
    Pipeline(connection).apply(make_update({"points": 43}))
    connection.execute("ALTER TABLE profiles DROP CONSTRAINT a_bug")
    letter = DeadLetter(
        import_id=None,
        database_id=None,
        partition=1,
        entry_id="7-0",
        payload=b"no import",
        error="MalformedEntry: The entry cannot be read",
        traceback="",
    )
    insert_dead_letter(connection, letter, datetime.now(UTC))
    rows = connection.execute("SELECT id FROM dead_letters ORDER BY id").fetchall()
    first, second = [int(number) for (number,) in rows]
    return first, second
