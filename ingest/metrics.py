"""Every metric of the intake and the workers; the exporter adds what Redis knows.

Where several processes serve or apply, PROMETHEUS_MULTIPROC_DIR must be in the
environment before this module is imported: prometheus_client looks once.
Labels are bounded: doors, codes, states; never ids.
"""

import os
from socket import gethostname

from prometheus_client import Counter, Histogram, values

_HOST = gethostname()

if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
    # Containers may share the directory, and in each of them the pids begin at 1.
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        lambda: f"{_HOST}-{os.getpid()}"
    )

#: From a millisecond to the longest default wait and beyond.
_SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

ACCEPTED = Counter(
    "penstock_accepted_total",
    "Imports acknowledged by Redis, by the door they came through.",
    ["door"],
)
REFUSED = Counter(
    "penstock_refused_total",
    "Imports refused before they were accepted, by door and error code.",
    ["door", "code"],
)
INTAKE_SECONDS = Histogram(
    "penstock_intake_seconds",
    "Seconds from the start of an import request to its answer, wait included.",
    ["door"],
    buckets=_SECONDS,
)
APPEND_BATCH_SIZE = Histogram(
    "penstock_append_batch_size",
    "Imports that one pipeline to Redis carried.",
    buckets=_SIZES,
)
BELLS_RUNG = Counter(
    "penstock_bells_total",
    "Doorbells sent to drains, by how it ended: rung, guarded, failed.",
    ["result"],
)

APPLIED = Counter(
    "penstock_applied_total",
    "Imports whose receipt was committed, by state and error code.",
    ["state", "code"],
)
ACCEPTED_TO_APPLIED_SECONDS = Histogram(
    "penstock_accepted_to_applied_seconds",
    "Seconds from an import's acceptance to the commit of its receipt.",
    buckets=_SECONDS,
)
BATCH_SIZE = Histogram(
    "penstock_batch_size",
    "Imports that one transaction applied.",
    buckets=_SIZES,
)
DRAIN_SECONDS = Histogram(
    "penstock_drain_seconds",
    "Seconds that one batch took, from reading the stream to the commit.",
    buckets=_SECONDS,
)
GEO_LOOKUPS = Counter(
    "penstock_geo_lookups_total",
    "IPs looked up for detect_geo: found, unknown, failed (the database is unusable).",
    ["result"],
)
DEAD_LETTERS = Counter(
    "penstock_dead_letters_total",
    "Imports kept as dead letters through a fault of ours.",
)
DELIVERIES = Counter(
    "penstock_deliveries_total",
    "Attempts to deliver an event, by what became of it: delivered, pending, failed.",
    ["state"],
)
