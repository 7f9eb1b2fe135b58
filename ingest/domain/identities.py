"""Ids that Penstock makes."""

import secrets
from datetime import datetime


def new_profile_id(now: datetime) -> str:
    """Return 24 lower-case hex characters that sort by `now` (contract 1.2)."""
    return f"{int(now.timestamp()):08x}{secrets.token_hex(8)}"
