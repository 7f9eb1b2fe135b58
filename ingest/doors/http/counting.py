"""Counts every request and times it, by the template of its path."""

import time

from falcon.asgi import Response
from prometheus_client import Counter, Histogram

from ingest.doors.http.calls import Call
from ingest.telemetry import metrics

_PREFIX = "/api/v1.1/"


class Counting:
    """Middleware: what a request took, and how it ended."""

    def __init__(self) -> None:
        # Paths, formats and statuses are few; their children are found once.
        self._counters = _Counters()
        self._timers = _Timers()

    async def process_request(self, req: Call, resp: Response) -> None:
        """Note when the request came."""
        req.started = time.perf_counter()

    async def process_response(
        self, req: Call, resp: Response, resource: object, req_succeeded: bool
    ) -> None:
        """Count it under the route's template: a path would hold ids."""
        path = (req.uri_template or "unknown").removeprefix(_PREFIX)
        sent_as = req.sent_as or "none"
        self._counters[path, str(sent_as), resp.status_code].inc()
        seconds = time.perf_counter() - req.started
        self._timers[path].observe(seconds)


class _Counters(dict[tuple[str, str, int], Counter]):
    def __missing__(self, key: tuple[str, str, int]) -> Counter:
        return self.setdefault(key, metrics.REQUESTS.labels(*key))


class _Timers(dict[str, Histogram]):
    def __missing__(self, path: str) -> Histogram:
        return self.setdefault(path, metrics.INTAKE_SECONDS.labels(path))
