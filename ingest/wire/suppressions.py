"""Documents about suppression lists to what is asked (L7)."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from marshmallow import ValidationError
from msgspec import Struct

from ingest.domain.contact_hashes import ContactReference, parse_digest, read_contact
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.subscription_drafts import within
from ingest.wire.parameters import find_parameter, parse_id, parse_text, parse_time

#: Contacts of one request.
MAX_CONTACTS = 1000
_MAX_TEXT = 200


class NamedContacts(Struct, frozen=True, kw_only=True):
    """The contacts that a request names, in their order."""

    #: The list that it is about; None for any.
    list_id: int | None
    contacts: Sequence[ContactReference]
    #: What of the request named each: `contacts[0]`.
    paths: Sequence[str]


class AdditionRequest(Struct, frozen=True, kw_only=True):
    """The contacts that go on a list, and why."""

    named: NamedContacts
    reason: str
    source: str
    #: None for never.
    expires_at: datetime | None


def load_named_contacts(document: Mapping[str, object]) -> NamedContacts:
    """Read `contacts` and `sha256`; raise InvalidRequest with every fault."""
    faults: list[Fault] = []
    sent = {
        f"{name}[{index}]": (read, raw)
        for name, read in _READERS.items()
        for index, raw in enumerate(_list_sent(document.get(name)))
    }
    if not sent:
        raise InvalidRequest("Missing parameter", "contacts")
    if len(sent) > MAX_CONTACTS:
        message = f"At most {MAX_CONTACTS:,} contacts are allowed"
        raise InvalidRequest(message, "contacts")
    found = dict(_read(sent, faults))
    if faults:
        raise InvalidRequest(faults)
    return NamedContacts(
        list_id=find_parameter(document, "list_id", parse_id),
        contacts=[*found.values()],
        paths=[*found],
    )


def load_addition(document: Mapping[str, object]) -> AdditionRequest:
    """Read which contacts go on a list; raise InvalidRequest."""
    return AdditionRequest(
        named=load_named_contacts(document),
        reason=find_parameter(document, "reason", _parse_short) or "",
        source=find_parameter(document, "source", _parse_short) or "",
        expires_at=find_parameter(document, "expires_at", parse_time),
    )


def _read_digest(raw: object) -> ContactReference:
    return ContactReference(digest=parse_digest(raw))


_READERS: Mapping[str, Callable[[object], ContactReference]] = {
    "contacts": read_contact,
    "sha256": _read_digest,
}


def _list_sent(raw: object) -> list[object]:
    """Return a list; one value is a list of one, as XML writes it."""
    if raw is None or raw == "":
        return []
    return raw if isinstance(raw, list) else [raw]


def _read(
    sent: Mapping[str, tuple[Callable[[object], ContactReference], object]],
    faults: list[Fault],
) -> Iterator[tuple[str, ContactReference]]:
    for path, (read, raw) in sent.items():
        try:
            yield path, read(raw)
        except InvalidValue as error:
            faults.append(Fault(code=400, message=str(error), path=path))
        except InvalidRequest as error:
            faults.extend(within(error.faults, path))


def _parse_short(value: object) -> str:
    text = parse_text(value).strip()
    if len(text) > _MAX_TEXT:
        raise ValidationError(f"At most {_MAX_TEXT} characters are allowed")
    return text
