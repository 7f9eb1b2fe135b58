"""Statuses and bases as they are sent: over HTTP, by messages, and in files."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from click.testing import CliRunner

from ingest.cli import main
from ingest.commands.consume import Door
from ingest.domain.catalog import ConfirmationPolicy
from ingest.domain.consent import ConsentPolicy
from ingest.domain.tokens import Scope
from ingest.settings import Settings
from ingest.store.tokens import create_token
from ingest.telemetry import metrics
from tests.conftest import Connection
from tests.consumers import consuming
from tests.declared import change_account, change_resource
from tests.drains import draining, trying
from tests.imports import run, summarize
from tests.intakes import ServedIntake, served, wait_until
from tests.suppressions import declare_list, suppress
from tests.uploads import ask
from tests.uploads import send as upload

ANN = "ann@example.com"
IMPORT = "/api/v1.1/profiles/import"
BASIS = {"raise": True, "source": "checkout", "ip": "203.0.113.7"}
OUT, IN = "unsubscribed", "subscribed"


@pytest.fixture
def producer(connection: Connection) -> str:
    """A token that may import, and read nothing."""
    _, secret = create_token(
        connection, name="shop", database_ids=[1], actions=[Scope.IMPORT]
    )
    return secret


@pytest.fixture
def penstock(
    settings: Settings, connection: Connection, producer: str
) -> Iterator[ServedIntake]:
    change_resource(connection, consent=ConsentPolicy.GUARDED)
    with served(settings) as intake, draining(settings), trying(settings):
        yield intake


def make(token: str, status: object, **more: Any) -> dict[str, Any]:
    one = {"channel": "email", "email": ANN, "resource_id": 1, "status": status}
    asked = {"token": token, "db_id": 1, "email": ANN, "data": {"subscriptions": [one]}}
    return asked | more


def read_status(connection: Connection, contact: str = ANN) -> str:
    row = connection.execute(
        "SELECT status FROM subscriptions WHERE contact = %s", (contact,)
    ).fetchone()
    assert row is not None
    return str(row[0])


@pytest.mark.fact("C.8-kept")
def test_the_answer_is_the_contracts_and_the_receipt_says_why(
    penstock: ServedIntake, token: str, producer: str, connection: Connection
) -> None:
    penstock.post(make(token, OUT))
    answer = penstock.post(make(producer, IN))
    assert answer.json().keys() == {"error", "error_text", "profile_id"}
    assert answer.json()["error"] == 0
    assert read_status(connection) == OUT

    path = f"/api/v1.1/imports/{answer.headers['Import-Id']}"
    (kept,) = penstock.get(f"{path}?token={token}").json()["kept"]
    assert kept.pop("since")
    assert kept == {
        "path": f"subscriptions[1/email/{ANN}].status",
        "reason": "no basis",
        "sent": IN,
        "stored": OUT,
    }
    # Who may not read what is stored is not told it.
    (kept,) = penstock.get(f"{path}?token={producer}").json()["kept"]
    assert "stored" not in kept


@pytest.mark.fact("C.8-kept")
def test_a_dry_run_tells_it_too(penstock: ServedIntake, token: str) -> None:
    penstock.post(make(token, OUT))
    tried = penstock.post(make(token, IN, dry_run=True)).json()
    (kept,) = tried["receipt"]["kept"]
    assert (kept["reason"], kept["stored"]) == ("no basis", OUT)
    assert tried["receipt"]["state"] == "unchanged"


@pytest.mark.fact("C.9-right")
def test_the_token_must_have_the_scope(
    penstock: ServedIntake, token: str, producer: str, connection: Connection
) -> None:
    penstock.post(make(token, OUT))
    penstock.post(make(producer, IN, consent=BASIS))
    assert read_status(connection) == OUT
    _, raiser = create_token(
        connection,
        name="form",
        database_ids=[1],
        actions=[Scope.IMPORT, Scope.CONSENT],
    )
    wait_until(
        lambda: penstock.post(make(raiser, IN, consent=BASIS)).json()["error"] == 0
    )
    assert read_status(connection) == IN


@pytest.mark.fact("C.9-right")
def test_messages_raise_if_their_account_may(
    penstock: ServedIntake, token: str, settings: Settings, connection: Connection
) -> None:
    penstock.post(make(token, OUT))
    message = orjson.dumps(make("", IN, consent=BASIS) | {"account_id": 1})
    client = redis.Redis.from_url(settings.redis_url, protocol=2)

    def send(number: int) -> None:
        client.xadd("database_import", {"message": message})
        wait_until(lambda: client.xlen("database_import_result") == number)

    with consuming(settings, Door(claim_after_seconds=1)):
        send(1)
    assert read_status(connection) == OUT
    change_account(connection, raise_consent=True)
    with consuming(settings, Door(claim_after_seconds=1)):
        send(2)
    assert read_status(connection) == IN
    told: Any = client.xrange("database_import_result")
    assert all(b"kept" not in fields[b"message"] for _, fields in told)
    client.close()


@pytest.mark.fact("C.5-basis")
def test_an_element_has_its_own_basis(
    penstock: ServedIntake, token: str, connection: Connection
) -> None:
    people = ["a@example.com", "b@example.com"]

    def element(email: str, status: str, **more: Any) -> dict[str, Any]:
        one = {"channel": "email", "email": email, "resource_id": 1, "status": status}
        return {"email": email, "data": {"subscriptions": [one]}, **more}

    batch = {"token": token, "db_id": 1, "data": [element(one, OUT) for one in people]}
    penstock.post(batch, path=f"{IMPORT}_batch")
    batch["data"] = [element(people[0], IN, consent=BASIS), element(people[1], IN)]
    penstock.post(batch, path=f"{IMPORT}_batch")
    assert [read_status(connection, one) for one in people] == [IN, OUT]


@pytest.mark.fact("C.5-basis")
def test_xml_has_the_same_basis(
    penstock: ServedIntake, token: str, connection: Connection
) -> None:
    penstock.post(make(token, OUT))
    body = (
        f"<xml><token>{token}</token><db_id>1</db_id><email>{ANN}</email>"
        "<consent><raise>true</raise><source>checkout</source></consent>"
        "<data><subscriptions array='true'><channel>email</channel>"
        f"<email>{ANN}</email><resource_id>1</resource_id><status>0</status>"
        "</subscriptions></data></xml>"
    )
    assert "<error>0</error>" in penstock.post(body.encode()).text
    assert read_status(connection) == IN


@pytest.mark.fact("C.5-basis")
@pytest.mark.parametrize(
    ("consent", "text"),
    [
        ({"raise": True}, "Missing parameter: consent.source"),
        ({"source": "x", "ip": "x"}, "Incorrect ip: consent.ip"),
        ({"source": "x", "rise": True}, "Unknown parameter (one of raise, source, "),
        ("yes", "Must be an object: consent"),
    ],
)
def test_a_faulty_basis_is_refused_at_once(
    penstock: ServedIntake, token: str, consent: object, text: str
) -> None:
    answer = penstock.post(make(token, IN, consent=consent)).json()
    assert answer["error"] == 400
    assert answer["error_text"].startswith(text)


@pytest.mark.fact("C.5-registration")
def test_subscriptions_set_stores_where_and_when_someone_registered(
    penstock: ServedIntake, token: str, connection: Connection
) -> None:
    profile_id = penstock.post(make(token, OUT)).json()["profile_id"]
    path = "/api/v1.1/subscriptions/set"
    whose = {"token": token, "db_id": 1, "profile_id": profile_id, "resource_id": 1}
    subscription = {**whose, "channel": "email", "email": ANN, "status": IN}
    registered = {"date": "2019-01-01T10:00:00Z", "ip": "::1", "url": "https://a.io"}
    # No basis: they are sent by whoever registers anybody.
    penstock.post({**subscription, **registered}, path=path)
    assert read_status(connection) == OUT
    # With one, the date is its time: too old.
    basis = {"consent": {"raise": True, "source": "form"}}
    penstock.post({**subscription, **registered, **basis}, path=path)
    assert read_status(connection) == OUT
    now = datetime.now(UTC) + timedelta(minutes=1)
    fresh = registered | {"date": now.isoformat()}
    penstock.post({**subscription, **fresh, **basis}, path=path)
    assert read_status(connection) == IN

    asked = {"token": token, "db_id": 1, "profile_id": profile_id}
    history = penstock.post(asked, path="/api/v1.1/subscriptions/history").json()
    latest, before = history["data"]
    assert (latest["status"], before["status"]) == (IN, OUT)
    assert latest["consent"].keys() == {"source", "ip", "url", "date"}
    assert before["until"] == latest["since"]
    one = {"resource_id": 1, "channel": "email", "email": "ANN@example.com"}
    same = penstock.post({**asked, **one}, path="/api/v1.1/subscriptions/history")
    assert same.json() == history
    one["email"] = "other@example.com"
    none = penstock.post({**asked, **one}, path="/api/v1.1/subscriptions/history")
    assert none.json()["data"] == []
    faulty = penstock.post({**subscription, "date": "soon"}, path=path).json()
    assert faulty["error_text"].startswith("Incorrect date: date")


def write(path: Path, status: object, *emails: str, **more: Any) -> Path:
    lines = []
    for email in emails:
        one = {"channel": "email", "email": email, "resource_id": 1, "status": status}
        element = {"email": email, "data": {"subscriptions": [one]}, **more}
        lines.append(json.dumps(element) + "\n")
    path.write_text("".join(lines))
    return path


@pytest.mark.fact("L.3-store", "C.8-counted")
def test_a_file_counts_what_suppression_lists_have_kept(
    penstock: ServedIntake, settings: Settings, connection: Connection, tmp_path: Path
) -> None:
    declare_list(connection)
    suppress(connection, "p0@example.com")
    emails = [f"p{number}@example.com" for number in range(2)]

    status, told, _ = run(settings, write(tmp_path / "all.ndjson", IN, *emails))
    assert (status, "1 protected" in told) == (0, True)
    assert "Protected: 1 (kept unsubscribed: 1)." in told


@pytest.mark.fact("C.8-counted", "C.4-default")
def test_a_file_counts_what_it_did_not_raise(
    penstock: ServedIntake,
    token: str,
    settings: Settings,
    connection: Connection,
    tmp_path: Path,
) -> None:
    change_resource(connection, consent=None)
    emails = [f"p{number}@example.com" for number in range(5)]
    everyone = write(tmp_path / "all.ndjson", IN, *emails)
    run(settings, write(tmp_path / "a.ndjson", OUT, *emails[:3]))
    run(settings, write(tmp_path / "b.ndjson", "complained", emails[3]))
    before = _count_metric()

    status, told, _ = run(settings, everyone)
    assert status == 0
    assert "4 protected" in told
    assert "Protected: 4 (kept unsubscribed: 3, complained: 1)." in told
    assert [read_status(connection, one) for one in emails] == [
        *([OUT] * 3),
        "complained",
        IN,
    ]
    assert _count_metric() - before == 4
    listed = CliRunner().invoke(
        main,
        ["imports", "list", "--protected", "--json"],
        env={"DATABASE_URL": settings.database_url},
    )
    assert len(listed.stdout.splitlines()) == 4

    _, (summary,) = summarize(settings, everyone, "--raise-consent", "new form")
    # What was reported as spam stays.
    assert summary["protected"] == 1
    assert read_status(connection, emails[0]) == IN
    assert read_status(connection, emails[3]) == "complained"


def _count_metric() -> float:
    return sum(
        sample.value
        for metric in metrics.CONSENT_PROTECTED.collect()
        for sample in metric.samples
        if sample.name.endswith("_total")
    )


@pytest.mark.fact("C.5-files")
@pytest.mark.parametrize(
    ("time", "after"), [("2019-05-01T10:00:00Z", OUT), ("{late}", IN)]
)
def test_the_basis_of_a_file_may_be_too_old(
    penstock: ServedIntake,
    token: str,
    connection: Connection,
    tmp_path: Path,
    time: str,
    after: str,
) -> None:
    penstock.post(make(token, OUT))
    late = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
    file = write(tmp_path / "in.ndjson", IN, ANN)
    options = ("--raise-consent", "form", "--consent-time", time.format(late=late))
    assert run(penstock.settings, file, *options)[0] == 0
    assert read_status(connection) == after


@pytest.mark.fact("C.5-files")
def test_columns_have_the_basis_of_each_row(
    penstock: ServedIntake, token: str, settings: Settings, connection: Connection
) -> None:
    change_resource(connection, consent=ConsentPolicy.STRICT)
    late = (datetime.now(UTC) + timedelta(minutes=2)).isoformat()
    table = (
        "email,email_sub,consent_source,consent_time,consent_ip,consent_text\n"
        f"ann@example.com,ann@example.com,booth,{late},203.0.113.7,Yes please\n"
        "bob@example.com,bob@example.com,,,,\n"
    )
    status, told, errors = run(
        settings, "-", "--raise-consent", "fair", stdin=table.encode()
    )
    assert status == 0, told + errors
    rows = connection.execute(
        "SELECT contact, status, consent FROM consents ORDER BY contact"
    ).fetchall()
    assert rows == [
        (
            "ann@example.com",
            IN,
            {"source": "booth", "ip": "203.0.113.7", "text": "Yes please"},
        ),
        ("bob@example.com", IN, {"source": "fair"}),
    ]
    # Without the option, the columns prove something, and raise nothing.
    other = table.replace("ann@", "eve@").replace("bob@", "dan@")
    run(settings, "-", stdin=other.encode())
    assert read_status(connection, "eve@example.com") == "unconfirmed"


@pytest.mark.fact("DO.1-elsewhere")
def test_a_file_has_who_confirmed_elsewhere(
    penstock: ServedIntake, settings: Settings, connection: Connection
) -> None:
    change_resource(connection, confirm=ConfirmationPolicy())
    table = (
        "email,email_sub,consent_confirmed\n"
        "ann@example.com,ann@example.com,true\n"
        "bob@example.com,bob@example.com,\n"
    )
    status, told, errors = run(
        settings, "-", "--raise-consent", "old system", stdin=table.encode()
    )
    assert status == 0, told + errors
    rows = connection.execute(
        "SELECT contact, status, consent FROM consents ORDER BY contact"
    ).fetchall()
    assert rows == [
        ("ann@example.com", IN, {"source": "old system", "confirmed": True}),
        ("bob@example.com", "unconfirmed", {"source": "old system"}),
    ]


@pytest.mark.fact("C.5-files", "C.9-right")
def test_an_upload_raises_by_the_scope_of_its_token(
    penstock: ServedIntake, token: str, producer: str, connection: Connection
) -> None:
    penstock.post(make(token, OUT))
    one = {"channel": "email", "email": ANN, "resource_id": 1, "status": IN}
    body = json.dumps({"email": ANN, "data": {"subscriptions": [one]}}).encode()
    kind = "application/x-ndjson"
    for secret, after in ((producer, OUT), (token, IN)):
        job = upload(penstock, secret, body, kind, raise_consent="form").json()
        assert job["error"] == 0, job
        wait_until(
            lambda: ask(penstock, secret, job["job_id"]).json()["state"] == "done"  # noqa: B023
        )
        assert read_status(connection) == after
        if secret == producer:
            assert ask(penstock, secret, job["job_id"]).json()["protected"] == 1
    lone = upload(penstock, token, body, kind, consent_time="2026-01-01").json()
    assert lone["error_text"] == "Missing parameter: raise_consent"


@pytest.mark.fact("C.7-complained")
def test_an_operator_raises_a_complaint_with_a_reason(
    penstock: ServedIntake, token: str, settings: Settings, connection: Connection
) -> None:
    penstock.post(make(token, "complained"))
    env = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    command = ["consent", "raise", ANN, "--yes"]
    without = CliRunner().invoke(main, command, env=env)
    assert without.exit_code == 2
    done = CliRunner().invoke(main, [*command, "--reason", "by phone"], env=env)
    assert done.exit_code == 0, done.output
    assert read_status(connection) == IN
    shown = CliRunner().invoke(main, ["consent", "show", ANN, "--json"], env=env)
    latest, before = json.loads(shown.stdout)["statuses"]
    assert (latest["consent"], before["status"]) == (
        {"source": "by phone"},
        "complained",
    )

    at = CliRunner().invoke(
        main, ["consent", "show", ANN, "--at", before["since"], "--json"], env=env
    )
    assert [one["status"] for one in json.loads(at.stdout)["statuses"]] == [
        "complained"
    ]
    again = CliRunner().invoke(
        main, [*command, "--reason", "x", "--channel", "sms"], env=env
    )
    assert (again.exit_code, "no such subscription" in again.output) == (1, True)
