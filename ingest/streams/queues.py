"""The names of queues, tasks and Redis keys, in one place."""

from uuid import UUID

#: The Celery queue that carries doorbells and nothing else.
DRAINS = "drains"
#: The Celery queue of scheduled upkeep, and of hints that events wait for delivery.
UPKEEP = "upkeep"

#: Argument: the partition that has work.
DRAIN_TASK = "penstock.drain"
SWEEP_TASK = "penstock.sweep"
DELIVER_TASK = "penstock.deliver"
SETTLE_TASK = "penstock.settle"
PARTITION_RECEIPTS_TASK = "penstock.partition_receipts"
HEARTBEAT_TASK = "penstock.heartbeat"
KEEP_SEGMENTS_TASK = "penstock.keep_segments"
KEEP_SUPPRESSIONS_TASK = "penstock.keep_suppressions"
KEEP_PEOPLE_TASK = "penstock.keep_people"
KEEP_ROLLUPS_TASK = "penstock.keep_rollups"

#: Prefix of every key that Celery and kombu make, so that ours and theirs never meet.
CELERY_KEY_PREFIX = "penstock:celery:"

#: Holds the number of partitions, which every process must have.
PARTITIONS_KEY = "penstock:partitions"
#: The streams of all partitions, as a pattern.
STREAMS = "penstock:imports:{*}"

#: Set while a drain has promised to look at every stream again: no bell is needed.
LISTENER_KEY = "penstock:listener"

#: How many entries drains have dropped, ever: how fast this grows is the rate at which
#: work is done.
SETTLED_KEY = "penstock:settled"

#: Set while a hint to deliver is pending.
DELIVERY_HINT_KEY = "penstock:delivery-hint"

#: Between two heartbeats sent through every stream.
HEARTBEAT_SECONDS = 15

#: The first minute whose notes are still kept, as `notes_key` counts them.
NOTES_FROM_KEY = "penstock:told-to-ask-from"
#: Notes that no sweep drops are gone after so long all the same.
NOTES_EXPIRE_SECONDS = 7 * 86400

#: When the sweep ran last, in seconds since 1970 by the clock of Redis.
SWEPT_KEY = "penstock:swept"

#: Prefix of the keys in which workers say that they are there, and how they are set up.
PRESENCE_PREFIX = "penstock:present:"

#: A doorbell nobody answered in this time is void; the sweep rings again.
BELL_EXPIRES_SECONDS = 10
#: While this guard lives, one bell for the partition is pending.
BELL_GUARD_SECONDS = 1

#: For this long a request is held against others of its idempotency key at the door.
#: That is for the time while its import waits: then the receipt tells them apart.
KEY_GUARD_SECONDS = 3600

#: The ids of requests for a dry run, in the order in which they came.
DRY_RUNS_KEY = "penstock:dry-runs"


def dry_run_key(request_id: str) -> str:
    """Name the key that holds a request for a dry run until a worker takes it."""
    return f"penstock:dry-run:{request_id}"


def dry_run_answer_key(request_id: str) -> str:
    """Name the list that gets the answer to a request for a dry run."""
    return f"penstock:dry-run-answer:{request_id}"


def stream_key(partition: int) -> str:
    """Name the stream of `partition`; the braces are a Redis Cluster hash tag."""
    return f"penstock:imports:{{{partition}}}"


def parse_stream_key(key: str) -> int:
    """Return the partition of what `stream_key` named."""
    return int(key.partition("{")[2].rstrip("}"))


def journal_key(partition: int) -> str:
    """Name the stream that tells which imports were accepted into `partition`."""
    return f"penstock:journal:{{{partition}}}"


def bulk_keys_key(partition: int) -> str:
    """Name the hash of the keys of which imports wait in the bulk lane."""
    return f"penstock:bulk:{{{partition}}}"


def live_index_key(partition: int) -> str:
    """Name the stream of the ids of entries that may go before the bulk lane."""
    return f"penstock:live:{{{partition}}}"


def bell_key(partition: int) -> str:
    """Name the guard that keeps bells for `partition` from piling up."""
    return f"penstock:bell:{{{partition}}}"


def rate_key(token_id: int) -> str:
    """Name the key that holds when the token has its whole burst again."""
    return f"penstock:rate:{token_id}"


def key_guard(import_id: UUID) -> str:
    """Name the guard of the idempotency key that gives a request this id."""
    return f"penstock:key:{import_id}"


def notes_key(minute: int) -> str:
    """Name the hash of the imports whose callers were told in a minute to ask again.

    By the clock of Redis, in minutes since 1970. Fields are import ids, in 16 bytes;
    what each holds is in ingest.doors.http.waiting_notes.
    """
    return f"penstock:told-to-ask:{minute}"


def heartbeat_key(partition: int) -> str:
    """Name the hash of the heartbeats sent through `partition`: `last`, `sent`."""
    return f"penstock:heartbeat:{{{partition}}}"


def outcomes_channel(reply_to: str) -> str:
    """Name the pub/sub channel on which intake process `reply_to` hears outcomes."""
    return f"penstock:outcomes:{reply_to}"


def worker_key(name: str) -> str:
    """Name the key that tells that the Celery worker `name` is ready."""
    return f"penstock:worker:{name}"


def presence_key(name: str) -> str:
    """Name the key in which the Celery worker `name` says that it is there."""
    return f"{PRESENCE_PREFIX}{name}"


def pending_results_key(door: str) -> str:
    """Name the hash of the imports whose results the broker door `door` owes."""
    return f"penstock:pending-results:{door}"


def held_results_key(door: str) -> str:
    """Name the hash of the held imports whose second results `door` owes."""
    return f"penstock:held-results:{door}"


def pending_result(import_id: UUID, fingerprint: str | None) -> str:
    """Name what is owed of an import to the messages of one `fingerprint`."""
    return f"{import_id}:{fingerprint}" if fingerprint else str(import_id)


def parse_pending_result(field: str) -> UUID:
    """Return the import's id of what `pending_result` named."""
    return UUID(field.partition(":")[0])
