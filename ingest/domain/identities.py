"""Ids and secrets that Penstock makes."""

import base64
import secrets
from datetime import datetime


def new_profile_id(now: datetime) -> str:
    """Return 24 lower-case hex characters that sort by `now` (contract 1.2)."""
    return f"{int(now.timestamp()):08x}{secrets.token_hex(8)}"


def new_signing_secret() -> str:
    """Return a secret to sign deliveries with, as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
