"""Requests to measure with: the documented sample, of as many customers as wanted.

`@NUMBER@` stands for the customer's number, `@CHANGE@` for what differs from one import
of a customer to the next: one field, and one of the subscriptions.
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import orjson

_SAMPLE = Path(__file__).parents[1] / "samples" / "seed.json"
_NUMBER, _CHANGE = b"@NUMBER@", b"@CHANGE@"
_HOLES = re.compile(b"(%b|%b)" % (_NUMBER, _CHANGE))
_DIGITS = 12
_NUMBERS = 1_000_000_000_000
#: All subscriptions of the sample.
ALL = 6


def make_sample(token: str, subscriptions: int = ALL) -> bytes:
    """Return the sample with holes, all its contacts made from one number."""
    sample = orjson.loads(_SAMPLE.read_bytes())
    email, phone = "customer@NUMBER@@example.com", "+7@NUMBER@"
    sample |= {"token": token, "email": email}
    sample["data"] |= {"email": email, "phones": [phone], "custom_field": "@CHANGE@"}
    contacts: dict[str, dict[str, object]] = {
        "email": {"email": email},
        "sms": {"phone": phone},
        "push": {"subscription_id": "token@NUMBER@"},
        "telegram_bot": {"cc_data": {"user_chat_id": "@NUMBER@"}},
        "whatsapp": {"cc_data": {"user_phone": phone}},
        "viber": {"cc_data": {"user_phone": phone}},
    }
    listed = sample["data"]["subscriptions"][:subscriptions]
    for subscription in listed:
        subscription.update(contacts[subscription["channel"]])
    listed[0]["custom_fields"]["custom_field_1"] = "@CHANGE@"
    sample["data"]["subscriptions"] = listed
    # A chat id is a number.
    return orjson.dumps(sample).replace(b'"' + _NUMBER + b'"', b"1" + _NUMBER)


class Template:
    """A text with holes, filled fast."""

    def __init__(self, text: bytes) -> None:
        self._parts = _HOLES.split(text)

    def fill(self, number: int, change: int = 0) -> bytes:
        """Return the text for a customer and a change, always of one length."""
        told = {
            _NUMBER: b"%012d" % (number % _NUMBERS),
            _CHANGE: b"%012d" % (change % _NUMBERS),
        }
        return b"".join([told.get(part, part) for part in self._parts])


@dataclass(frozen=True, slots=True, kw_only=True)
class Imports:
    """Endless imports, each of a customer not seen before, with six subscriptions."""

    host: str
    token: str
    headers: str = ""

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole HTTP requests."""
        body = make_sample(self.token)
        length = len(Template(body).fill(0))
        head = (
            f"POST /api/v1.1/profiles/import HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {length}\r\n"
            f"{self.headers}\r\n"
        )
        template = Template(head.encode() + body)
        # Microseconds: where no iteration before this one has come.
        for number in count(time.time_ns() // 1000):
            yield template.fill(number)


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
