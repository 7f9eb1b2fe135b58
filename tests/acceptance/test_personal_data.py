"""Personal data stay out of logs, metrics, key and task names, and process titles.

A whole `penstock up` at DEBUG is sent marked people in every way an import can go.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
import redis

from ingest.store.database import connect
from ingest.streams.queues import CELERY_KEY_PREFIX, stream_key
from tests.conftest import Connection
from tests.groups import ROOT, Group, wait_for
from tests.receivers import receiving

#: In every text that is personal, and in every phone.
MARK = "zq7mark"
DIGITS = "2079460777"
PARTITIONS = range(4)


def email(name: str) -> str:
    return f"{MARK}.{name}@example.com"


def person(name: str, **data: object) -> dict[str, Any]:
    return {"db_id": 1, "matching": "email", "email": email(name), "data": data}


WHOLE = {
    "_fname": f"{MARK} first",
    "_lname": f"{MARK} last",
    "phones": [f"+44{DIGITS}"],
    "custom_field": f"{MARK} custom",
    "interests": [f"{MARK} tag"],
    "address": {f"{MARK} key": f"{MARK} street"},
    "subscriptions": [
        {"channel": "email", "email": email("contact"), "resource_id": 1},
        {"channel": "sms", "phone": f"+44{DIGITS}", "resource_id": 1},
        {
            "channel": "push",
            "subscription_id": f"{MARK}-push",
            "provider": "android-firebase",
            "resource_id": 1,
        },
        {"channel": "telegram_bot", "cc_data": {"user_chat_id": f"{MARK}-chat"}},
    ],
}
REJECTED: tuple[dict[str, Any], ...] = (
    person("integer", points=f"{MARK} many"),
    person("float", score=f"{MARK} high"),
    person("enum", plan=f"{MARK} plan"),
    person("date", last_visit=f"{MARK} day"),
    person("address", office_ip=f"{MARK} ip"),
    person("phone", phones=[f"{MARK}{DIGITS}"]),
    person("unknown", **{f"{MARK}_field": f"{MARK} value"}),
    person("taken", code=1),
    person("function", points={"action": MARK, "value": MARK}),
    person("contact", subscriptions=[{"channel": MARK, "email": MARK}]),
    {**person("mode"), "matching": f"{MARK} mode"},
    {**person("custom"), "matching": "custom", "field_name": MARK, "field_value": MARK},
    {**person("malformed"), "email": f"{MARK} no address"},
    {**person("two"), "matching": "custom"}
    | {"field_name": "interests", "field_value": [f"{MARK} tag"]},
    {"db_id": 1, "matching": "phone", "phone": f"+{MARK}{DIGITS}", "data": {}},
    {"db_id": f"{MARK}", "email": email("database"), "data": {}},
)
MALFORMED = (
    ("application/json", f'{{"db_id": 1, "email": "{email("json")}'),
    ("application/json", f'{{"{MARK}": 1, "{MARK}": 2}}'),
    ("application/json", f'{{"db_id": 1, "data": {{"{MARK}": 99999999999999999999}}}}'),
    ("application/xml", f"<xml><{MARK}>{email('xml')}</xml>"),
    ("application/xml", f'<!DOCTYPE {MARK} [<!ENTITY e "{MARK}">]><xml>&e;</xml>'),
    ("text/csv", email("csv")),
)
PATHS = (
    f"/api/v1.1/imports/{MARK}",
    f"/{MARK}/{DIGITS}",
    f"/api/v1.1/profiles/get?db_id=1&matching=email&email={email('get')}",
)


def find_marks(contents: Iterable[tuple[str, bytes]]) -> list[str]:
    """Return what holds a mark, in any case, and where."""
    return [
        f"{name}: {line[:300].decode(errors='replace')}"
        for name, content in contents
        for line in content.splitlines()
        if MARK.encode() in line.lower() or DIGITS.encode() in line
    ]


def files(state: Path) -> Iterator[tuple[str, bytes]]:
    """Every log, and the files from which metrics are gathered."""
    for directory in ("logs", "metrics"):
        for path in (state / directory).rglob("*"):
            if path.is_file():
                yield path.name, path.read_bytes()
    yield "supervisor", state.with_name(f"{state.name}.err").read_bytes()


def titles(group: Group) -> Iterator[tuple[str, bytes]]:
    """The command lines of all processes, which PostgreSQL and others rewrite."""
    for pid in group.processes():
        path = Path(f"/proc/{pid}/cmdline")
        if path.exists():
            yield f"process {pid}", path.read_bytes()


def names(client: redis.Redis) -> Iterator[tuple[str, bytes]]:
    """The keys of Redis, and what Celery has queued."""
    for key in client.scan_iter():
        yield "key", key
        if key.startswith(CELERY_KEY_PREFIX.encode()) and client.type(key) == b"list":
            for message in client.lrange(key, 0, -1):
                body = orjson.loads(message)["body"]
                yield "message", orjson.dumps(orjson.loads(message))
                yield "task", base64.b64decode(body)


def test_a_mark_is_found_where_there_is_one(tmp_path: Path) -> None:
    state = tmp_path / "state"
    (state / "logs").mkdir(parents=True)
    (tmp_path / "state.err").touch()
    (state / "logs/intake.log").write_text(f'{{"a":"{MARK.upper()}"}}\n+44{DIGITS}\n')

    assert len(find_marks(files(state))) == 2


def type_command(answer: dict[str, Any], *arguments: str) -> None:
    urls = {"DATABASE_URL": answer["database"], "REDIS_URL": answer["redis"]}
    subprocess.run(
        [sys.executable, "-m", "ingest.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, **urls},
        check=True,
        capture_output=True,
        timeout=60,
    )


def declare_webhook(answer: dict[str, Any], url: str, tmp_path: Path) -> None:
    """Have `url` told of every import."""
    demo = (ROOT / "ingest/local/demo.toml").read_text()
    declared = tmp_path / "catalog.toml"
    declared.write_text(
        f'{demo}\n[[endpoints]]\nid = 2\naccount = 1\nname = "Hook"\nurl = "{url}"\n'
        '[[triggers]]\nid = 8\nname = "All"\ndatabase = 1\nendpoint = 2\n'
        'event = "import"\n'
    )
    type_command(answer, "catalog", "apply", str(declared), "--yes")


@contextmanager
def consuming(answer: dict[str, Any], log: Path) -> Iterator[None]:
    """Run the broker door, which logs where the others do."""
    urls = {"DATABASE_URL": answer["database"], "REDIS_URL": answer["redis"]}
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "ingest.cli", "consume"],
            cwd=ROOT,
            env={**os.environ, **urls, "PENSTOCK_LOG_LEVEL": "DEBUG"},
            stderr=stderr,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def send_all(http: httpx.Client) -> None:
    """Accept one, refuse the others in every way there is."""
    path = "/api/v1.1/profiles/import"
    key = {"Idempotency-Key": f"{MARK}-key"}
    assert http.post(
        path, json=person("whole", **WHOLE, code=1), headers=key
    ).is_success
    second = person("second", interests=WHOLE["interests"])
    assert http.post(path, json=second).is_success
    for document in REJECTED:
        assert http.post(path, json=document).json()["error"], document
    batch = {"db_id": 1, "data": [document["data"] for document in REJECTED]}
    assert http.post(f"{path}_batch", json=batch).status_code < 500
    for kind, body in MALFORMED:
        answer = http.post(path, content=body, headers={"Content-Type": kind})
        assert answer.status_code in (400, 415)
    form = {"db_id": "1", "email": email("form"), "phone": DIGITS, "resource_id": "1"}
    quick = "/api/integrations/any/profile_import"
    http.post(quick, params=form | {"points": MARK})
    http.post(quick, data=form | {"last_visit": MARK})
    for bad in (f"Bearer {MARK}", f"Basic {MARK}", MARK):
        http.post(path, json=person("token"), headers={"Authorization": bad})
    for place in PATHS:
        http.get(place)
        http.post(place, json=person("path"))


def break_all(
    http: httpx.Client, database: Connection, client: redis.Redis, logs: Path
) -> None:
    """Have everything fail that can, at what quotes its input."""
    path = "/api/v1.1/profiles/import"
    database.execute(
        "CREATE FUNCTION a_bug() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN RAISE EXCEPTION 'refused: %', NEW; END $$"
    )
    database.execute(
        "CREATE TRIGGER a_bug BEFORE INSERT OR UPDATE ON profiles"
        " FOR EACH ROW EXECUTE FUNCTION a_bug()"
    )
    assert http.post(path, json=person("dead", **WHOLE)).json()["error"] == 500
    database.execute("DROP TRIGGER a_bug ON profiles")
    database.execute(
        f"ALTER TABLE profiles ADD CHECK (email <> '{email('checked')}') NOT VALID"
    )
    assert http.post(path, json=person("checked", **WHOLE)).json()["error"] == 500

    client.xadd(stream_key(0), {"import": f"\xff{MARK}".encode("latin-1")})
    client.xadd("database_import", {"message": f'{{"{MARK}'})
    client.xadd("database_import", {"message": json.dumps(person("nobody"))})

    database.execute("ALTER TABLE profiles RENAME TO away")
    query = {"db_id": 1, "matching": "email", "email": email("whole")}
    assert http.post("/api/v1.1/profiles/get", json=query).status_code == 500
    database.execute("ALTER TABLE away RENAME TO profiles")
    # Not an import alone: the task itself fails, until the table is back.
    database.execute("ALTER TABLE imports RENAME TO away")
    later = {"Prefer": "respond-async"}
    http.post(path, json=person("task", **WHOLE), headers=later)
    wait_for(lambda: "raised unexpected" in read_logs(logs))
    database.execute("ALTER TABLE away RENAME TO imports")
    wait_for(lambda: not any(client.xlen(stream_key(n)) for n in PARTITIONS))


def read_logs(logs: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in logs.iterdir())


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Group]:
    environ = {"PENSTOCK_LOG_LEVEL": "DEBUG", "PENSTOCK_WEBHOOK_ALLOW": "127.0.0.1"}
    made = Group(tmp_path / "state", **environ)
    yield made
    if made.process.poll() is None:
        made.end()


def test_personal_data_are_nowhere_but_in_the_data(
    group: Group, tmp_path: Path
) -> None:
    answer = group.wait_ready()
    logs = group.state / "logs"
    bearer = {"Authorization": f"Bearer {answer['token']}"}
    with (
        receiving() as receiver,
        connect(answer["database"]) as database,
        redis.Redis.from_url(answer["redis"]) as client,
        httpx.Client(base_url=answer["http"], headers=bearer, timeout=30) as http,
    ):
        receiver.answer = lambda _: (500, {})
        declare_webhook(answer, f"{receiver.url}/hook", tmp_path)
        with consuming(answer, logs / "consume.log"):
            send_all(http)
            break_all(http, database, client, logs)
            wait_for(lambda: "message refused" in read_logs(logs))
            wait_for(lambda: "event not delivered" in read_logs(logs))
            seen = [*names(client), *titles(group)]
        seen.append(("metrics", httpx.get(answer["metrics"], timeout=30).content))
    assert group.end() == 0

    assert find_marks([*seen, *files(group.state)]) == []
    # It was logged, only without what it was about.
    said = read_logs(logs)
    events = ("accepted", "import applied", "import rejected", "import failed")
    for event in (*events, "request failed"):
        assert f'"event":"{event}"' in said, event
