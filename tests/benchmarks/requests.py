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
from random import Random

import orjson

_SAMPLE = Path(__file__).parents[1] / "samples" / "seed.json"
_NUMBER, _CHANGE = b"@NUMBER@", b"@CHANGE@"
_HOLES = re.compile(b"(%b|%b)" % (_NUMBER, _CHANGE))
_NUMBERS = 1_000_000_000_000
#: All subscriptions of the sample.
ALL = 6
#: Customers that a database is filled with are numbered from here on.
FIRST_KNOWN = 500_000_000_000


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


_XML = b"""<xml><token>@TOKEN@</token><format>json</format><db_id>1</db_id>
<email>customer@NUMBER@@example.com</email>
<data><_fname>Olly</_fname><phones array='true'>+7@NUMBER@</phones>
<custom_field>@CHANGE@</custom_field>
<subscriptions array='true'><channel>email</channel><resource_id>2</resource_id>
<email>customer@NUMBER@@example.com</email></subscriptions></data></xml>"""


def make_xml_sample(token: str) -> bytes:
    """Return an XML import with holes, of one subscription; its answer is JSON."""
    return _XML.replace(b"@TOKEN@", token.encode())


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
    """Endless imports over HTTP, of new customers, of known ones, or of both."""

    host: str
    token: str
    headers: str = ""
    #: `create`, `update` or `mixed`.
    kind: str = "create"
    subscriptions: int = ALL
    #: How many customers there are from FIRST_KNOWN on; updates are of these.
    known: int = 0
    #: Half of the updates are of a hundredth of the customers.
    hot: bool = False
    #: Profiles in one request; 0 for requests of one profile.
    batch: int = 0
    xml: bool = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield whole HTTP requests."""
        path = "import_batch" if self.batch else "import"
        type_ = "application/xml" if self.xml else "application/json"
        head = (
            f"POST /api/v1.1/profiles/{path} HTTP/1.1\r\nHost: {self.host}\r\n"
            f"Content-Type: {type_}\r\n{self.headers}Content-Length: "
        ).encode()
        for body in self._bodies():
            yield b"%b%d\r\n\r\n%b" % (head, len(body), body)

    def _bodies(self) -> Iterator[bytes]:
        if not self.batch:
            template = Template(self._make_text())
            yield from (template.fill(*each) for each in self._customers())
        customers, element = self._customers(), Template(self._make_text())
        envelope = b'{"token":"%b","db_id":1,"data":[' % self.token.encode()
        while self.batch:
            listed = (element.fill(*next(customers)) for _ in range(self.batch))
            yield envelope + b",".join(listed) + b"]}"

    def _make_text(self) -> bytes:
        if self.xml:
            return make_xml_sample(self.token)
        text = make_sample(self.token, self.subscriptions)
        if not self.batch:
            return text
        sample = orjson.loads(text.replace(b"1@NUMBER@", b'"@CHAT@"'))
        element = {"email": sample["email"], "data": sample["data"]}
        return orjson.dumps(element).replace(b'"@CHAT@"', b"1@NUMBER@")

    def _customers(self) -> Iterator[tuple[int, int]]:
        """Yield a customer's number and a change, time after time."""
        # Microseconds: where no iteration before this one has come. Below all known.
        fresh = count(time.time_ns() // 1000 % FIRST_KNOWN)
        chance = Random(0)
        for turn, change in enumerate(count(time.time_ns() // 1000)):
            if self.kind == "create" or (self.kind == "mixed" and turn % 2):
                yield next(fresh), change
                continue
            hot = self.hot and chance.random() < 0.5
            known = max(self.known // 100, 1) if hot else self.known
            yield FIRST_KNOWN + chance.randrange(known), change


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
