"""Every metric of the intakes and the workers; ingest/exporter adds what servers know.

Where several processes serve or apply, PROMETHEUS_MULTIPROC_DIR must be in the
environment before this module is imported: prometheus_client looks once.
Labels are bounded, by the code or by the catalog: doors, codes, states, databases;
never ids of imports or profiles. Sets known beforehand begin at 0, so that the first
event is seen as a rise. What to do when one moves is in ingest/exporter/metric_help.py.
"""

import os
import resource
import sys
import time
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram, values

from ingest.domain.imports import Matching, State
from ingest.domain.lookups import SUBSCRIPTION_CHANNELS
from ingest.telemetry.metric_files import ProcessName

_DIRECTORY = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
if _DIRECTORY:
    values.ValueClass = values.MultiProcessValue(  # type: ignore[no-untyped-call]
        ProcessName(Path(_DIRECTORY))
    )

#: From a millisecond to the longest default wait and beyond.
_SECONDS = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300,
)  # fmt: skip
#: A stage of a batch may take microseconds.
_STAGE_SECONDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
    1, 5, 30,
)  # fmt: skip
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

DOORS = ("http", "broker", "file")
#: In the order in which a batch passes them.
STAGES = ("read", "load", "merge", "write", "commit", "settle")
#: What a process is for.
ROLES = ("intake", "consumer", "drain", "upkeep")

ACCEPTED = Counter(
    "penstock_accepted_total",
    "Accepted imports, by input and profile database.",
    ["door", "database"],
)
REFUSED = Counter(
    "penstock_refused_total",
    "Refused imports, by input and error code.",
    ["door", "code"],
)
REQUESTS = Counter(
    "penstock_requests_total",
    "HTTP responses, by API path, body format, and HTTP status.",
    ["path", "format", "status"],
)
INTAKE_SECONDS = Histogram(
    "penstock_intake_seconds",
    "Seconds from the start of a request to its response, including the wait for the"
    " outcome, by API path.",
    ["path"],
    buckets=_SECONDS,
)
APPEND_BATCH_SIZE = Histogram(
    "penstock_append_batch_size",
    "Imports per pipeline to Redis.",
    buckets=_SIZES,
)
DOORBELLS = Counter(
    "penstock_doorbells_total",
    "Doorbells, by result: rung, guarded (another one is pending), failed.",
    ["result"],
)

PROCESSED = Counter(
    "penstock_processed_total",
    "Processed imports, by outcome and error code.",
    ["state", "code"],
)
PROCESSED_BY_DOOR = Counter(
    "penstock_processed_by_door_total",
    "Processed imports, by input and outcome.",
    ["door", "state"],
)
PROCESSED_BY_DATABASE = Counter(
    "penstock_processed_by_database_total",
    "Processed imports, by profile database and outcome.",
    ["database", "state"],
)
PROCESSED_BY_MATCHING = Counter(
    "penstock_processed_by_matching_total",
    "Processed imports, by matching mode and outcome.",
    ["matching", "state"],
)
CONFLICTS = Counter(
    "penstock_conflicts_total",
    "Imports rejected with 409, by matching mode: several profiles matched, or another"
    " profile has a unique value.",
    ["matching"],
)
ACCEPTED_TO_PROCESSED_SECONDS = Histogram(
    "penstock_accepted_to_processed_seconds",
    "Seconds from an import's acceptance to the commit of its receipt.",
    buckets=_SECONDS,
)
BATCH_SIZE = Histogram(
    "penstock_batch_size",
    "Imports per transaction batch.",
    buckets=_SIZES,
)
DRAIN_SECONDS = Histogram(
    "penstock_drain_seconds",
    "Seconds per transaction batch, from reading the stream to publishing outcomes.",
    buckets=_SECONDS,
)
AMBIGUOUS_CHOSEN = Counter(
    "penstock_ambiguous_chosen_total",
    "Imports that several profiles matched, of which `on_ambiguous` chose one, by "
    "`matching`.",
    ["matching"],
)
STAGE_SECONDS = Histogram(
    "penstock_stage_seconds",
    "Seconds per batch and stage: read (lease, stream, catalog), load (decode, find, "
    "and lock profiles), merge, write (send changes), commit (wait for Postgres), "
    "settle (delete entries, publish outcomes).",
    ["stage"],
    buckets=_STAGE_SECONDS,
)
BATCHES_REPEATED = Counter(
    "penstock_batches_repeated_total",
    "Batches run again, by reason: another batch took a unique value, the batch failed,"
    " it was halved to isolate a failing import, or imports were deferred.",
    ["reason"],
)
IMPORTS_DEFERRED = Counter(
    "penstock_imports_deferred_total",
    "Batches that ended before an import that must follow another row of its request, "
    "in another partition: the rows share a `key`, or a `profile` has both keys.",
    ["reason"],
)
TASKS_RETRIED = Counter(
    "penstock_tasks_retried_total",
    "Tasks ended by a temporary error of Postgres or Redis and retried, by task and "
    "error class.",
    ["task", "error_class"],
)
CATALOG_RELOADS = Counter(
    "penstock_catalog_reloads_total",
    "Catalog reloads after a new version, by role of the process.",
    ["role"],
)
GEO_LOOKUPS = Counter(
    "penstock_geo_lookups_total",
    "IP lookups for detect_geo, by result: found, unknown, failed (unusable file).",
    ["result"],
)
ORPHAN_KEYS = Counter(
    "penstock_orphan_keys_total",
    "Ignored match keys that do not belong to their profile, by kind: email, phone,"
    " field, or a subscription.",
    ["kind"],
)
EVENTS_SKIPPED = Counter(
    "penstock_events_skipped_total",
    "Events that were not sent because their trigger fires once for a profile, or once"
    " in a while, or its condition no longer held: once, every, recheck.",
    ["reason"],
)
SEGMENT_MOVES = Counter(
    "penstock_segment_moves_total",
    "Profiles that entered or left a dynamic segment without an import, by cause: time"
    " (sweep) or a build.",
    ["cause", "move"],
)
RETENTION_REFUSED = Counter(
    "penstock_retention_refused_total",
    "Retention runs that deleted nothing because clocks differ by hours.",
)
DRY_RUNS = Counter(
    "penstock_dry_runs_total",
    "Imports tried by dry runs of the API, by outcome; nothing was written.",
    ["state"],
)
DEAD_LETTERS = Counter(
    "penstock_dead_letters_total",
    "Imports that became dead letters after an internal error.",
)
DELIVERIES = Counter(
    "penstock_deliveries_total",
    "Delivery attempts, by state of the delivery afterward: delivered, pending, "
    "failed; and deliveries that were skipped without one.",
    ["state"],
)
DELIVERY_BATCHES = Counter(
    "penstock_delivery_batches_total",
    "Attempts to deliver a batch of events, by state of its deliveries afterward: "
    "delivered, pending, failed.",
    ["state"],
)
ENDPOINTS_DISABLED = Counter(
    "penstock_endpoints_disabled_total",
    "Endpoints that were disabled, by reason: gone (410), failing.",
    ["reason"],
)
DELIVERIES_WITHDRAWN = Counter(
    "penstock_deliveries_withdrawn_total",
    "Deliveries dropped before their first attempt because their import was undone.",
)
UNDONE_PATHS = Counter(
    "penstock_undone_paths_total",
    "Values of undone imports, by result: reversed, kept, cannot.",
    ["result"],
)
KEPT = Counter(
    "penstock_kept_total",
    "Values of imports that were left as they were, by reason: newer, ranked, between.",
    ["reason"],
)
CONSENT_PROTECTED = Counter(
    "penstock_consent_protected_total",
    "Statuses of subscriptions that imports did not raise, by database, channel, and"
    " reason: no basis, incomplete basis, right, complained, older than the opt-out,"
    " list.",
    ["database", "channel", "reason"],
)
CONSENT_RAISED = Counter(
    "penstock_consent_raised_total",
    "Statuses of subscriptions that imports raised by a basis, by database and"
    " channel.",
    ["database", "channel"],
)
SUPPRESSED = Counter(
    "penstock_suppressed_total",
    "Contacts of imports that suppression lists stopped, by list and action: store,"
    " refuse.",
    ["list", "action"],
)
CONFIRMATIONS = Counter(
    "penstock_confirmations_total",
    "Uses of links to confirm a subscription, by result: confirmed, repeated (it was"
    " subscribed already), waiting (queued, not applied in time), expired, invalid"
    " (not a token of this deployment).",
    ["result"],
)
MERGES = Counter(
    "penstock_merges_total",
    "Merges of profiles, by result: merged, undone.",
    ["result"],
)
DELIVERY_SECONDS = Histogram(
    "penstock_delivery_seconds",
    "Seconds per delivery attempt, including timeouts.",
    buckets=_SECONDS,
)

PROCESSES = Gauge(
    "penstock_processes",
    "Running processes, by role.",
    ["role"],
    multiprocess_mode="livesum",
)
SEGMENT_MISMATCHES = Gauge(
    "penstock_segment_mismatches",
    "Memberships of dynamic segments that differ from their filters, in the last"
    " sample of profiles.",
    multiprocess_mode="livemax",
)
PROCESS_STARTS = Counter(
    "penstock_process_starts_total",
    "Process starts, by role, including recycled children.",
    ["role"],
)
PEAK_MEMORY = Gauge(
    "penstock_peak_memory_bytes",
    "Peak memory of a running process, by role.",
    ["role"],
    multiprocess_mode="livemax",
)


def _begin(metric: Counter | Histogram, *labels: Iterable[object]) -> None:
    """Let each combination of `labels` begin at 0."""
    for combination in product(*labels):
        metric.labels(*combination)


_STATES = [state.value for state in State]
_begin(REFUSED, DOORS, (400, 401, 403, 404, 413, 415, 429, 500, 503))
_begin(DOORBELLS, ("rung", "guarded", "failed"))
_begin(PROCESSED, ("created", "updated", "unchanged", "removed", "held"), (0,))
_begin(PROCESSED, ("rejected",), (400, 404, 409))
_begin(PROCESSED, ("dead",), (500,))
_begin(PROCESSED_BY_DOOR, DOORS, _STATES)
_begin(PROCESSED_BY_MATCHING, [matching.value for matching in Matching], _STATES)
_begin(CONFLICTS, [matching.value for matching in Matching])
_begin(AMBIGUOUS_CHOSEN, [matching.value for matching in Matching])
_begin(STAGE_SECONDS, STAGES)
_begin(BATCHES_REPEATED, ("unique value", "failed", "halved", "deferred"))
_begin(IMPORTS_DEFERRED, ("key", "profile"))
_begin(CATALOG_RELOADS, ROLES[:3])
_begin(ORPHAN_KEYS, ("email", "phone", "field", *SUBSCRIPTION_CHANNELS))
_begin(GEO_LOOKUPS, ("found", "unknown", "failed"))
_begin(DRY_RUNS, _STATES)
_begin(UNDONE_PATHS, ("reversed", "kept", "cannot"))
_begin(KEPT, ("newer", "ranked", "between"))
_begin(MERGES, ("merged", "undone"))
_begin(EVENTS_SKIPPED, ("once", "every", "recheck"))
_begin(SEGMENT_MOVES, ("sweep", "build"), ("entered", "left"))
_begin(CONFIRMATIONS, ("confirmed", "repeated", "waiting", "expired", "invalid"))
_begin(DELIVERIES, ("delivered", "pending", "failed", "skipped"))
_begin(DELIVERY_BATCHES, ("delivered", "pending", "failed"))
_begin(ENDPOINTS_DISABLED, ("gone", "failing"))


class Stopwatch:
    """Shares the time of one batch out among its stages; each ends the one before."""

    __slots__ = ("_lap",)

    def __init__(self) -> None:
        self._lap = time.perf_counter()

    def end(self, stage: str) -> None:
        """Count the time since the last lap to `stage`."""
        now = time.perf_counter()
        _STAGE_TIMERS[stage].observe(now - self._lap)
        self._lap = now

    def skip(self) -> None:
        """Count the time since the last lap to nothing: another watch has."""
        self._lap = time.perf_counter()


# A child is found once, not at every batch.
_STAGE_TIMERS = {stage: STAGE_SECONDS.labels(stage) for stage in STAGES}


def note_start(role: str) -> None:
    """Count this process among those of `role`."""
    PROCESS_STARTS.labels(role).inc()
    PROCESSES.labels(role).set(1)
    note_memory(role)


def note_memory(role: str) -> None:
    """Keep the most memory that this process has held."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kibibytes, macOS bytes.
    PEAK_MEMORY.labels(role).set(peak if sys.platform == "darwin" else peak * 1024)


def note_accepted(door: str, databases: Sequence[int]) -> None:
    """Count imports that Redis has, by the database of each."""
    for database in set(databases):
        ACCEPTED.labels(door, database).inc(databases.count(database))
