"""Verifies an event of Penstock with Python's standard library, and prints it."""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from typing import Any

TOLERANCE_SECONDS = 300


def verify(
    secret: str, message_id: str, timestamp: str, signatures: str, body: bytes
) -> bool:
    """Say whether `body` is from Penstock, and recent. `body` is as it was received."""
    # A message that somebody recorded is not accepted later.
    if (
        not timestamp.isdecimal()
        or abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS
    ):
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    # Several, while a secret is replaced.
    return any(
        version == "v1" and hmac.compare_digest(expected, signature.encode())
        for version, _, signature in (one.partition(",") for one in signatures.split())
    )


def list_events(message: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the events of a message, which may be a batch."""
    return message["data"] if message["type"] == "batch" else [message]


# A server has these from the headers of a POST: webhook-id, webhook-timestamp, and
# webhook-signature.
body = sys.stdin.buffer.read()
if not verify(
    os.environ["WEBHOOK_SECRET"],
    os.environ["WEBHOOK_ID"],
    os.environ["WEBHOOK_TIMESTAMP"],
    os.environ["WEBHOOK_SIGNATURE"],
    body,
):
    sys.exit("Refused: answer 400")
for event in list_events(json.loads(body)):
    sys.stdout.write(f"{event['type']} {event['data']['event_id']}\n")
