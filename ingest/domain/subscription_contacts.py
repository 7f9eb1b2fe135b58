"""The contact of a subscription: where a channel keeps it, and what identifies it."""

import re
from collections.abc import Callable, Mapping

from msgspec import Struct

from ingest.domain import contacts, values
from ingest.domain.catalog import Channel
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue

_INTEGER_TEXT = re.compile(r"0|-?[1-9][0-9]{0,18}")
_PROVIDER_LENGTH = 64
_CHAT_ID_LENGTH = 64
#: The contact is part of B-tree keys, which Postgres limits to 2,704 bytes.
_SUBSCRIPTION_ID_BYTES = 2048
_BAD_PROVIDER = f"Incorrect provider (1 to {_PROVIDER_LENGTH} characters, no colon)"
_BAD_SUBSCRIPTION_ID = (
    f"Incorrect subscription ID (1 to {_SUBSCRIPTION_ID_BYTES} bytes)"
)
_BAD_CHAT_ID = f"Incorrect chat ID (an integer or 1 to {_CHAT_ID_LENGTH} characters)"


class Contact(Struct, frozen=True, kw_only=True):
    """A contact as it identifies a subscription, and as it is read back."""

    canonical: str
    data: Mapping[str, object]
    #: The phone of it, as it was sent; None where it has none.
    phone: object = None


class _Part(Struct, frozen=True, kw_only=True):
    """One value of a contact."""

    #: What it is called when read back.
    name: str
    parse: Callable[[object], object]
    #: Read by where the database is, and not by `parse` (contract 16.8).
    is_phone: bool = False
    #: Where it may stand in the subscription, the preferred place first: a member,
    #: or one of an object in it.
    places: tuple[tuple[str, str | None], ...]


def _parse_provider(raw: object) -> str:
    """Read a push provider: any text without a colon (contract 6.6)."""
    provider = values.scalar_text(raw).strip()
    # A colon would blur where the provider ends in the canonical contact.
    if not 0 < len(provider) <= _PROVIDER_LENGTH or ":" in provider:
        raise InvalidValue(_BAD_PROVIDER)
    return provider


def _parse_subscription_id(raw: object) -> str:
    text = values.scalar_text(raw).strip()
    if not 0 < len(text.encode()) <= _SUBSCRIPTION_ID_BYTES:
        raise InvalidValue(_BAD_SUBSCRIPTION_ID)
    return text


def _parse_chat_id(raw: object) -> int | str:
    """Read a chat id; the text of an integer, as XML sends it, becomes an int."""
    text = values.scalar_text(raw).strip()
    if isinstance(raw, bool) or not 0 < len(text) <= _CHAT_ID_LENGTH:
        raise InvalidValue(_BAD_CHAT_ID)
    if _INTEGER_TEXT.fullmatch(text) and int(text) in values.INT_RANGE:
        return int(text)
    return text


_CC_PHONE = _Part(
    name="phone",
    parse=contacts.normalize_phone,
    is_phone=True,
    places=(
        ("cc_data", "phone"),
        ("cc_data", "user_phone"),
        ("phone", None),
        ("phone_data", "phone"),
    ),
)

#: Contract 6.1 and 14, point 47a; flat forms win over nested ones.
_PARTS: Mapping[Channel, tuple[_Part, ...]] = {
    Channel.EMAIL: (
        _Part(
            name="email",
            parse=contacts.normalize_email,
            places=(("email", None), ("email_data", "email")),
        ),
    ),
    Channel.SMS: (
        _Part(
            name="phone",
            parse=contacts.normalize_phone,
            is_phone=True,
            places=(("phone", None), ("phone_data", "phone")),
        ),
    ),
    Channel.PUSH: (
        _Part(
            name="provider",
            parse=_parse_provider,
            places=(("provider", None), ("push_data", "provider")),
        ),
        _Part(
            name="subscription_id",
            parse=_parse_subscription_id,
            places=(("subscription_id", None), ("push_data", "subscription_id")),
        ),
    ),
    Channel.TELEGRAM_BOT: (
        _Part(
            name="id",
            parse=_parse_chat_id,
            places=(("cc_data", "id"), ("cc_data", "user_chat_id")),
        ),
    ),
    Channel.WHATSAPP: (_CC_PHONE,),
    Channel.VIBER: (_CC_PHONE,),
    Channel.NOTIFY: (_CC_PHONE,),
}


def _parse_part(
    part: _Part, subscription: Mapping[str, object], region: str | None
) -> tuple[object, object]:
    """Return the value of `part`, and what was sent for it."""
    for name, inner in part.places:
        raw = subscription.get(name)
        # Most of these places are empty.
        if raw is None:
            continue
        if inner is not None:
            # Not Mapping, which takes seven times as long to ask for.
            raw = raw.get(inner) if isinstance(raw, dict) else None
        if raw is None or raw == "":
            continue
        try:
            if part.is_phone:
                return contacts.normalize_phone(raw, region), raw
            return part.parse(raw), raw
        except InvalidValue as error:
            raise InvalidRequest(str(error), _path(name, inner)) from error
    raise InvalidRequest("Missing parameter", _path(*part.places[0]))


def _path(name: str, inner: str | None) -> str:
    return name if inner is None else f"{name}.{inner}"


#: How a contact is compared, where it is not by its text.
_KEYS: Mapping[Channel, Callable[[str], str]] = {
    Channel.EMAIL: contacts.email_key,
    Channel.SMS: contacts.phone_key,
    Channel.WHATSAPP: contacts.phone_key,
    Channel.VIBER: contacts.phone_key,
    Channel.NOTIFY: contacts.phone_key,
}


def _canonical(channel: Channel, data: Mapping[str, object]) -> str:
    # Most have one part.
    parts = [str(part) for part in data.values()]
    text = parts[0] if len(parts) == 1 else ":".join(parts)
    key = _KEYS.get(channel)
    return text if key is None else key(text)


def recompute_contact(channel: Channel, data: Mapping[str, object]) -> str | None:
    """Return what a stored contact is compared by; None where that is just its text."""
    return _canonical(channel, data) if channel in _KEYS else None


def parse_contact(
    channel: Channel, subscription: Mapping[str, object], region: str | None = None
) -> Contact:
    """Read the contact that `channel` needs, wherever the subscription keeps it.

    A number without a country code is one of `region` (contract 16.8).
    """
    data: dict[str, object] = {}
    faults: list[Fault] = []
    phone: object = None
    for part in _PARTS[channel]:
        try:
            data[part.name], sent = _parse_part(part, subscription, region)
            if part.is_phone:
                phone = sent
        except InvalidRequest as error:
            faults.extend(error.faults)
    if faults:
        raise InvalidRequest(faults)
    return Contact(canonical=_canonical(channel, data), data=data, phone=phone)
