"""From what a load brought back to the figures in the table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tests.benchmarks.load import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One line of the table."""

    name: str
    connections: int
    imports: int
    failed: int
    #: Answered 202 although the caller waited.
    late: int
    seconds: float
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    #: From the first acceptance to the last commit, where nobody waited for it.
    applied_seconds: float | None = None
    applied_per_second: float | None = None
    first_fault: str = ""


def find_percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of sorted `values` that `share` of them do not exceed."""
    if not values:
        return math.nan
    return values[max(math.ceil(share * len(values)), 1) - 1]


def summarize(name: str, connections: int, result: Result, *, waited: bool) -> Figures:
    """Reduce `result` to figures; latencies count from request to answer."""
    latencies = sorted(result.latencies)
    p50, p95, p99 = (
        find_percentile(latencies, share) * 1000 for share in (0.50, 0.95, 0.99)
    )
    return Figures(
        name=name,
        connections=connections,
        imports=result.succeeded,
        failed=result.failed,
        late=result.unresolved if waited else 0,
        seconds=result.seconds,
        per_second=result.succeeded / result.seconds if result.seconds else 0.0,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        first_fault=result.first_fault,
    )
