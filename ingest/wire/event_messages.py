"""Events to messages: what a receiver reads, signed as Standard Webhooks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

import orjson
from standardwebhooks import Webhook

from ingest.domain.event_batches import BATCH


def dump_event(
    *,
    kind: str,
    created_at: datetime,
    members: Mapping[str, object],
    detail: Mapping[str, object],
) -> bytes:
    """Write the body: the same bytes at every attempt.

    `members` stand beside `detail`; those that are None are left out.
    """
    known = {name: value for name, value in members.items() if value is not None}
    data = {**known, kind: detail}
    return orjson.dumps(
        {"type": kind, "timestamp": created_at, "data": data},
        option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS,
    )


def dump_batch(messages: Sequence[bytes], created_at: datetime) -> bytes:
    """Write the body of a batch: its messages as they are, in their order (T6)."""
    return orjson.dumps(
        {
            "type": BATCH,
            "timestamp": created_at,
            "data": [orjson.Fragment(message) for message in messages],
        },
        option=orjson.OPT_UTC_Z | orjson.OPT_SORT_KEYS,
    )


def sign(secret: str, event_id: UUID, moment: datetime, body: bytes) -> dict[str, str]:
    """Return the headers that prove who sent `body` and when (UTC)."""
    message_id = str(event_id)
    signature = Webhook(secret).sign(message_id, moment, body.decode())
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": signature,
    }
