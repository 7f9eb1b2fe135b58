"""Requests to measure with: the documented sample, a new customer in each."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import orjson

_SAMPLE = Path(__file__).parents[1] / "samples" / "seed.json"
#: What stands for the customer's number in a request.
_HOLE = b"@NUMBER@"
_DIGITS = 12
_NUMBERS = 1_000_000_000_000


def _sample(token: str) -> bytes:
    """Return the sample, all its contacts made from one number."""
    sample = orjson.loads(_SAMPLE.read_bytes())
    email, phone = "customer@NUMBER@@example.com", "+7@NUMBER@"
    sample |= {"token": token, "email": email}
    sample["data"] |= {"email": email, "phones": [phone]}
    contacts: dict[str, dict[str, object]] = {
        "email": {"email": email},
        "sms": {"phone": phone},
        "push": {"subscription_id": "token@NUMBER@"},
        "telegram_bot": {"cc_data": {"user_chat_id": "@NUMBER@"}},
        "whatsapp": {"cc_data": {"user_phone": phone}},
        "viber": {"cc_data": {"user_phone": phone}},
    }
    for subscription in sample["data"]["subscriptions"]:
        subscription.update(contacts[subscription["channel"]])
    # A chat id is a number.
    return orjson.dumps(sample).replace(b'"' + _HOLE + b'"', b"1" + _HOLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Endless imports, each of a customer not seen before, with six subscriptions."""

    host: str
    token: str
    headers: str = ""

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole HTTP requests."""
        body = _sample(self.token)
        length = len(re.sub(_HOLE, b"0" * _DIGITS, body))
        head = (
            f"POST /api/v1.1/profiles/import HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
            f"{self.headers}\r\n"
        )
        first, *rest = (head.encode() + body).split(_HOLE)
        # Microseconds: where no iteration before this one has come.
        for number in count(time.time_ns() // 1000):
            yield (b"%012d" % (number % _NUMBERS)).join([first, *rest])


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """A look at the receipt of each of some imports."""

    host: str
    token: str
    import_ids: tuple[str, ...]

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole HTTP requests."""
        for import_id in self.import_ids:
            yield (
                f"GET /api/v1.1/imports/{import_id} HTTP/1.1\r\nHost: {self.host}\r\n"
                f"Authorization: Bearer {self.token}\r\n\r\n"
            ).encode()
