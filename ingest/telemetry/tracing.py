"""Traces from the request to the webhook, after W3C Trace Context.

A `traceparent` that a producer sends travels with its import and reaches whoever is
told of its events, whether or not anything is recorded here. Spans of our own are
recorded where the extra `otel` is installed and OTEL_EXPORTER_OTLP_ENDPOINT says
where they go; OpenTelemetry reads the other OTEL_* variables itself.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingest.domain.errors import PenstockError


class TracingUnavailable(PenstockError):
    """Spans are to be recorded, and what records them is not installed."""


class Span(Protocol):
    """Something that takes a while."""

    @property
    def traceparent(self) -> str | None:
        """The parent of the spans that it causes."""

    def end(self, at: datetime | None = None, **attributes: str | int) -> None:
        """Say what came of it, now or `at` a moment that has passed."""


class Tracer(Protocol):
    """Begins spans."""

    def start(self, name: str, parent: str | None, at: datetime | None = None) -> Span:
        """Begin a span below `parent`, now or `at` a moment that has passed."""

    def close(self) -> None:
        """Send what has ended and is not sent yet."""


@dataclass(frozen=True, slots=True)
class _PassedOn:
    """Nothing is recorded: the parent of what follows is the parent of this."""

    traceparent: str | None

    def end(self, at: datetime | None = None, **attributes: str | int) -> None:
        """Do nothing."""


class _Passing:
    """Passes on what producers send."""

    def start(self, name: str, parent: str | None, at: datetime | None = None) -> Span:
        """Return a span that only has a parent."""
        return _PassedOn(parent)

    def close(self) -> None:
        """Do nothing."""


def open_tracer(service: str, environ: Mapping[str, str] = os.environ) -> Tracer:
    """Return what records the spans of this process, or only passes contexts on.

    `service` is the OTEL_SERVICE_NAME where none is set. Call it in the process that
    records: the thread that sends does not survive a fork.
    """
    if not environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        return _Passing()
    try:
        # Loaded where it is wanted: it is optional, and takes a while.
        from ingest.telemetry import otel  # noqa: PLC0415
    except ImportError as error:
        raise TracingUnavailable(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed; "
            "install penstock[otel], or unset it"
        ) from error
    return otel.open_tracer(environ.get("OTEL_SERVICE_NAME", service))
