"""One trace from a producer's request to the receiver of its event."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from ingest.domain.catalog import EventKind
from ingest.settings import Settings
from ingest.store.catalog.load import load_declared
from ingest.store.catalog.save import save_catalog
from ingest.telemetry.tracing import open_tracer
from tests.conftest import Connection
from tests.declared import make_endpoint, make_trigger
from tests.intakes import make_document, served
from tests.receivers import Receiver, receiving
from workers.delivery_dispatcher import Dispatcher
from workers.drain import Drain

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def receiver(connection: Connection) -> Iterator[Receiver]:
    """Hears of every import into the demo's first database."""
    with receiving() as opened:
        endpoint = make_endpoint(id=1, url=f"{opened.url}/hooks")
        trigger = make_trigger(id=1, endpoint_id=1, event=EventKind.IMPORT)
        with connection.transaction():
            declared = replace(
                load_declared(connection),
                endpoints={1: endpoint},
                triggers={1: trigger},
            )
            save_catalog(connection, declared)
        yield opened


def pass_through(settings: Settings, token: str, **headers: str) -> None:
    """Import one profile and deliver its event, as the processes of a group do."""
    tracer = open_tracer("penstock-worker")
    drain = Drain(settings, "test-drain", lifetime_seconds=0.5, tracer=tracer)
    courier = Dispatcher(replace(settings, webhook_allow=("127.0.0.0/8",)), tracer)
    with served(settings) as intake:
        asynchronously = {"Prefer": "respond-async", **headers}
        intake.post(make_document(token), asynchronously)
        drain.run(lambda _: None)
    courier.wake()
    courier.close()
    drain.close()
    tracer.close()


def spans(collector: Receiver) -> dict[str, Span]:
    """Return the spans that were sent, by their names."""
    found: dict[str, Span] = {}
    for received in collector.received:
        sent = ExportTraceServiceRequest.FromString(received.body)
        for resource in sent.resource_spans:
            for scope in resource.scope_spans:
                found |= {span.name: span for span in scope.spans}
    return found


def test_a_producers_context_reaches_the_receiver_of_its_event(
    settings: Settings, token: str, receiver: Receiver
) -> None:
    pass_through(settings, token, traceparent=TRACEPARENT)

    (received,) = receiver.received
    assert received.headers["traceparent"] == TRACEPARENT


def test_nobody_is_told_of_a_context_that_is_none(
    settings: Settings, token: str, receiver: Receiver
) -> None:
    pass_through(settings, token, traceparent="00-no-context-01")

    (received,) = receiver.received
    assert "traceparent" not in received.headers


def test_spans_of_request_import_and_delivery_are_one_trace(
    settings: Settings,
    token: str,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with receiving() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        pass_through(settings, token, traceparent=TRACEPARENT)
        found = spans(collector)

    request = found["POST /api/v1.1/profiles/import"]
    assert {span.trace_id.hex() for span in found.values()} == {TRACE}
    assert request.parent_span_id.hex() == PARENT
    assert found["apply"].parent_span_id == request.span_id
    assert found["deliver"].parent_span_id == request.span_id
    (received,) = receiver.received
    assert found["deliver"].span_id.hex() in received.headers["traceparent"]
    attributes = {each.key: each.value for each in found["apply"].attributes}
    assert attributes["state"].string_value == "created"
    assert (
        found["apply"].start_time_unix_nano
        <= found["apply"].end_time_unix_nano
        <= found["deliver"].end_time_unix_nano
    )


def test_the_log_follows_an_import_from_its_acceptance_to_its_delivery(
    settings: Settings,
    token: str,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        pass_through(settings, token)

    event = orjson.loads(receiver.received[0].body)["data"]
    told = [
        record.message
        for record in caplog.records
        if getattr(record, "import_id", None) == event["import_id"]
    ]
    assert told == ["accepted", "import applied", "event delivered"]
