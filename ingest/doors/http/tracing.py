"""A span for each request that may import, named as the parent of what it causes."""

from falcon.asgi import Response
from msgspec.structs import replace

from ingest.doors.accept import Accepted
from ingest.doors.http.calls import Call
from ingest.telemetry.tracing import Tracer
from ingest.wire.traceparents import HEADER, parse_traceparent


class Tracing:
    """Begins a span with a POST and ends it with the answer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    async def process_resource(
        self, req: Call, resp: Response, resource: object, params: object
    ) -> None:
        """Begin it below what the caller sent, if the path is one of ours."""
        if req.method == "POST":
            parent = parse_traceparent(req.get_header(HEADER))
            req.span = self._tracer.start(f"POST {req.uri_template}", parent)

    async def process_response(
        self, req: Call, resp: Response, resource: object, req_succeeded: bool
    ) -> None:
        """Say which import came of it, and how it was answered."""
        if req.span is not None:
            import_id = resp.get_header("Import-Id") or ""
            req.span.end(status=resp.status_code, import_id=import_id)


def traced(req: Call, accepted: Accepted) -> Accepted:
    """Let the import name this request as its parent, if anything traces it."""
    if req.span is None or req.span.traceparent is None:
        return accepted
    traced_import = replace(accepted.import_, traceparent=req.span.traceparent)
    return replace(accepted, import_=traced_import)
