"""Spans recorded by OpenTelemetry and sent over OTLP; needs the extra `otel`."""

from dataclasses import dataclass
from datetime import datetime

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Span, set_span_in_context
from opentelemetry.trace import Tracer as _Tracer
from opentelemetry.trace.propagation.tracecontext import (
    TraceContextTextMapPropagator,
)

from ingest.wire.traceparents import HEADER

_CONTEXTS = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A span that is sent when it ends."""

    span: Span

    @property
    def traceparent(self) -> str | None:
        """Name this span as a parent."""
        carrier: dict[str, str] = {}
        _CONTEXTS.inject(carrier, set_span_in_context(self.span, Context()))
        return carrier.get(HEADER)

    def end(self, at: datetime | None = None, **attributes: str | int) -> None:
        """Record what came of it; it is sent with the next batch."""
        self.span.set_attributes(attributes)
        self.span.end(_nanoseconds(at))


class Recorder:
    """Records the spans of one process and sends them from a thread."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer: _Tracer = provider.get_tracer("penstock")

    def start(
        self, name: str, parent: str | None, at: datetime | None = None
    ) -> _Recorded:
        """Begin a span below `parent`, or a trace of its own where there is none."""
        # An empty context: what this thread happens to be in is no parent.
        context = _CONTEXTS.extract({HEADER: parent or ""}, Context())
        return _Recorded(
            self._tracer.start_span(name, context, start_time=_nanoseconds(at))
        )

    def close(self) -> None:
        """Send what has ended, for as long as the exporter tries."""
        self._provider.shutdown()


def _nanoseconds(at: datetime | None) -> int | None:
    return None if at is None else int(at.timestamp() * 1e9)


def open_tracer(service: str) -> Recorder:
    """Return a recorder whose spans go where OTEL_EXPORTER_OTLP_ENDPOINT says."""
    provider = TracerProvider(
        resource=Resource.create({SERVICE_NAME: service}), shutdown_on_exit=True
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return Recorder(provider)
