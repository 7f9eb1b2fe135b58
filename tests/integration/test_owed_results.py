"""A result that is owed to one message is not settled by that of another."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from threading import Event
from uuid import UUID

import orjson
import redis

from ingest.domain.answers import Answer
from ingest.domain.imports import SUCCESS_TEXT
from ingest.doors.broker.redis_stream import StreamOutlet
from ingest.doors.broker.results import Reporter
from ingest.settings import Settings
from ingest.streams.queues import (
    outcomes_channel,
    pending_result,
    pending_results_key,
)
from ingest.wire.answers import dump_answers
from ingest.wire.messages import MessageResult
from tests.intakes import wait_until

DOOR, REPLY_TO = "redis:people", "consumer-1"
ID = UUID("01a227a9-405d-7467-ab05-b10f51b1f877")
FIELD = pending_result(ID, None)


def owe(client: redis.Redis, at: float) -> None:
    """Owe a result to a message, as a consumer does that accepts it."""
    told = {"feedback_id": "same", "matching_field": "email", "fingerprint": None}
    owed = orjson.dumps({**told, "at": at})
    client.hset(pending_results_key(DOOR), FIELD, owed)


class Outlet(StreamOutlet):
    """The outlet of a stream, that calls `meanwhile` when it has published."""

    def __init__(self, settings: Settings, meanwhile: Callable[[], None]) -> None:
        super().__init__(settings.redis_url, "people", ttl_seconds=60)
        self.has_published = False
        self._meanwhile = meanwhile

    def publish(self, results: Sequence[MessageResult]) -> None:
        super().publish(results)
        self._meanwhile()
        self.has_published = True


def report(settings: Settings, client: redis.Redis, outlet: Outlet) -> None:
    """Publish the results of an answer that is heard."""
    answer = Answer(
        import_id=ID,
        error=0,
        error_text=SUCCESS_TEXT,
        profile_id="6b04f28ad691ecc2e1a166f2",
        accepted_at=None,
        fingerprint=None,
    )
    hasty = replace(settings, wait_seconds=0.1)
    reporter = Reporter(hasty, outlet, door=DOOR, reply_to=REPLY_TO, stop=Event())
    reporter.start()
    channel = outcomes_channel(REPLY_TO)
    try:
        wait_until(lambda: client.publish(channel, dump_answers([answer])))
        wait_until(lambda: outlet.has_published)
    finally:
        reporter.stop()
    assert not reporter.has_failed


def test_a_result_that_was_published_is_owed_no_longer(settings: Settings) -> None:
    with closing(redis.Redis.from_url(settings.redis_url)) as client:
        owe(client, at=4e9)

        report(settings, client, Outlet(settings, lambda: None))

        assert client.hlen(pending_results_key(DOOR)) == 0


def test_an_equal_message_that_comes_meanwhile_is_owed_a_result_of_its_own(
    settings: Settings,
) -> None:
    with closing(redis.Redis.from_url(settings.redis_url)) as client:
        owe(client, at=4e9)

        report(settings, client, Outlet(settings, lambda: owe(client, at=5e9)))

        owed = client.hget(pending_results_key(DOOR), FIELD)
        assert owed is not None
        assert orjson.loads(owed)["at"] == 5e9
        client.delete(pending_results_key(DOOR))
