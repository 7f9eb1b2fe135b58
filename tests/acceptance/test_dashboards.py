"""Every panel of every dashboard shows what a real pipeline does under load."""

import json
import math
import re
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from ingest.store.catalog.load import load_declared, lock_catalog
from ingest.store.catalog.save import save_catalog
from ingest.store.database import connect
from ingest.streams.queues import stream_key
from tests.declared import make_endpoint, make_trigger
from tests.groups import Group, wait_for
from tests.programs import find_program
from tests.prometheus import Prometheus, scraping
from tests.receivers import receiving

DASHBOARDS = Path(__file__).parents[2] / "deploy/grafana/dashboards"
RENDERED = {
    path.stem: json.loads(path.read_text())
    for path in sorted(DASHBOARDS.glob("*.json"))
}
#: What may show nothing here, and why.
EMPTY: Mapping[str, str] = {
    "penstock_tasks_retried_total": "Postgres and Redis are never away in this test",
    "penstock_redis_memory_limit_bytes > 0": "the embedded Redis has no limit",
}
#: What Grafana puts in the place of its variables.
VARIABLES = {
    "$__rate_interval": "15s",
    "$__range": "60s",
    "$database": ".*",
    "$endpoint": ".*",
}
LOAD_SECONDS = 90


@dataclass(frozen=True)
class Query:
    """One query of one panel."""

    dashboard: str
    panel: str
    expr: str
    instant: bool

    def returns(self, prometheus: Prometheus) -> bool:
        """Tell whether it shows anything; fail if Prometheus refuses it."""
        expr = self.expr
        for name, value in VARIABLES.items():
            expr = expr.replace(name, value)
        assert "$" not in expr
        now = time.time()
        if self.instant:
            result = prometheus.ask("query", query=expr)["result"]
            values = [float(series["value"][1]) for series in result]
        else:
            result = prometheus.ask(
                "query_range", query=expr, start=now - 60, end=now, step=1
            )["result"]
            values = [float(one) for series in result for _, one in series["values"]]
        return any(not math.isnan(value) for value in values)


QUERIES = [
    Query(name, panel["title"], target["expr"], target["instant"])
    for name, dashboard in RENDERED.items()
    for panel in dashboard["panels"]
    for target in panel.get("targets", ())
]


class Producer:
    """Sends whatever a producer may, right and wrong, until it is told to end."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._client = httpx.Client(
            base_url=f"{answer['http']}/api/v1.1",
            headers={"Authorization": f"Bearer {answer['token']}"},
            timeout=30,
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._ended.set()
        self._thread.join(60)
        self._client.close()

    def _run(self) -> None:
        # The same phone for two: an import that is matched by it is in conflict.
        for email in ("first@example.com", "second@example.com"):
            self.send({"email": email, "data": {"phones": ["+442079460018"]}})
        for number in count():
            if self._ended.wait(0.02):
                return
            self._send_some(number)

    def _send_some(self, number: int) -> None:
        email = f"{number}@example.com"
        self.send({"email": email, "data": {"_fname": "Ada"}})
        self._client.post(
            "/profiles/import",
            content=f"<xml><db_id>1</db_id><email>{email}</email><data/></xml>",
            headers={"Content-Type": "application/xml"},
        )
        elements = [{"email": f"{number}-{each}@example.com"} for each in range(20)]
        self._client.post("/profiles/import_batch", json={"db_id": 1, "data": elements})
        self.send({"matching": "phone", "phone": "+442079460018", "data": {}})
        self.send({"matching": "phone", "phone": "nobody's", "data": {}})
        self._client.post("/profiles/import", content=b"{")
        self._client.post("/profiles/get", json={"db_id": 1, "email": email})
        self._send_statuses()
        self._send_suppressed()

    def _send_suppressed(self) -> None:
        """Put a contact on a list, and import it."""
        email = "suppressed@example.com"
        listed = {"list_id": 3, "contacts": [email]}
        self._client.post("/suppressions/add", json=listed)
        one = {"resource_id": 29, "channel": "email", "email": email}
        self.send({"email": email, "data": {"subscriptions": [one]}})

    def _send_statuses(self) -> None:
        """Opt a person out, and raise that without a basis, and with one."""
        email = "reader@example.com"
        one = {"resource_id": 29, "channel": "email", "email": email}
        for status, consent in (
            ("unsubscribed", None),
            ("subscribed", None),
            ("subscribed", {"raise": True, "source": "test"}),
        ):
            listed = {"subscriptions": [{**one, "status": status}]}
            self.send({"email": email, "consent": consent, "data": listed})

    def send(self, changes: Mapping[str, Any], *, wait: bool = True) -> None:
        preference = {} if wait else {"Prefer": "respond-async"}
        document = {"db_id": 1, **changes}
        self._client.post("/profiles/import", json=document, headers=preference)


def declare_triggers(database_url: str, *urls: str) -> None:
    """Tell each of `urls` of every import into database 1."""
    with connect(database_url) as connection, connection.transaction():
        declared = load_declared(connection)
        endpoints = {
            number: make_endpoint(id=number, url=url)
            for number, url in enumerate(urls, start=100)
        }
        triggers = {each: make_trigger(id=each, endpoint_id=each) for each in endpoints}
        save_catalog(
            connection,
            replace(
                declared,
                endpoints={**declared.endpoints, **endpoints},
                triggers={**declared.triggers, **triggers},
            ),
        )


def stall(
    database_url: str, producer: Producer, prometheus: Prometheus, seconds: float
) -> None:
    """Hold every drain up until Prometheus has seen imports wait for `seconds`."""
    with connect(database_url) as connection, connection.transaction():
        lock_catalog(connection)
        for number in range(50):
            producer.send(
                {"email": f"late-{number}@example.com", "data": {}}, wait=False
            )
        oldest = "min(penstock_oldest_accepted_timestamp_seconds)"
        expr = f"time() - {oldest} > {seconds}"
        wait_for(lambda: prometheus.ask("query", query=expr)["result"])
        expr = "penstock_postgres_lock_waits > 0"
        wait_for(lambda: prometheus.ask("query", query=expr)["result"])


@dataclass(frozen=True)
class Scene:
    """A pipeline under load, and a Prometheus that scrapes it."""

    database_url: str
    producer: Producer
    prometheus: Prometheus

    def stall(self, seconds: float = 0) -> None:
        stall(self.database_url, self.producer, self.prometheus, seconds)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    find_program("prometheus")
    directory = tmp_path_factory.mktemp("dashboards")
    group = Group(directory / "state", PENSTOCK_WEBHOOK_ALLOW="127.0.0.0/8")
    with receiving() as good, receiving() as bad:
        bad.answer = lambda _: (500, {})
        answer = group.wait_ready()
        declare_triggers(answer["database"], good.url, bad.url)
        producer = Producer(answer)
        with scraping(
            directory, httpx.URL(answer["metrics"]).netloc.decode()
        ) as opened:
            producer.start()
            # Counters must have been seen before they rise.
            wait_for(
                lambda: opened.ask("query", query="penstock_dead_letters_total")[
                    "result"
                ]
            )
            with redis.Redis.from_url(answer["redis"]) as client:
                client.xadd(stream_key(0), {"import": b"not an import"})
            made = Scene(answer["database"], producer, opened)
            made.stall()
            yield made
            producer.end()
    assert group.end() == 0, group.said


@pytest.fixture(scope="module")
def prometheus(scene: Scene) -> Prometheus:
    return scene.prometheus


@pytest.mark.timeout(300)
def test_every_panel_shows_data(prometheus: Prometheus) -> None:
    due = [query for query in QUERIES if not any(key in query.expr for key in EMPTY)]

    ends_at = time.monotonic() + LOAD_SECONDS
    while due and time.monotonic() < ends_at:
        due = [query for query in due if not query.returns(prometheus)]
        threading.Event().wait(0.5)

    assert len(QUERIES) > 80
    assert due == []


@pytest.mark.parametrize("key", EMPTY)
def test_what_may_be_empty_is_still_a_query(prometheus: Prometheus, key: str) -> None:
    queries = [query for query in QUERIES if key in query.expr]

    assert queries
    for query in queries:
        # Its answer does not matter; that it has one does.
        query.returns(prometheus)


def test_variables_and_marks_have_what_they_ask_for(prometheus: Prometheus) -> None:
    for dashboard in RENDERED.values():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                found = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"])
                assert found
                wanted = {"match[]": found[1]}
                wait_for(partial(prometheus.ask, "series", **wanted))
                series = prometheus.ask("series", **wanted)
                assert all(one[found[2]] for one in series)
        for mark in dashboard["annotations"]["list"]:
            prometheus.ask("query", query=mark["expr"])


def test_every_rule_works_and_the_dead_letter_has_raised_its_alert(
    prometheus: Prometheus,
) -> None:
    def firing() -> list[str]:
        alerts = prometheus.ask("alerts")["alerts"]
        return [
            one["labels"]["alertname"] for one in alerts if one["state"] == "firing"
        ]

    wait_for(lambda: "PenstockDeadLettersGrow" in firing())
    groups = prometheus.ask("rules")["groups"]
    rules = [rule for group in groups for rule in group["rules"]]

    assert len(rules) > 30
    assert {rule["health"] for rule in rules} == {"ok"}
    # What is well must not be told of.
    assert not {name for name in firing() if "Down" in name or "Ledger" in name}


def test_the_dashboard_tells_which_stage_is_slow(scene: Scene) -> None:
    (query,) = [query for query in QUERIES if query.panel == "Slowest stage"]
    expr = query.expr.replace("$__rate_interval", "15s")

    def slowest() -> str:
        result = scene.prometheus.ask("query", query=expr)["result"]
        return str(result[0]["metric"]["stage"]) if result else ""

    # Drains wait for the catalog, which they hold while they read: for most of the
    # window, so that no other stage has had more of it on a machine however slow.
    scene.stall(seconds=12)

    wait_for(lambda: slowest() == "read")
    assert query.dashboard == "workers"
