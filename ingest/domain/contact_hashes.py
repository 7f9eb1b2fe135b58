"""Contacts as suppression lists have them: by their hashes (L1)."""

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

from msgspec import Struct

from ingest.domain.catalog import Channel
from ingest.domain.contacts import (
    email_key,
    normalize_email,
    normalize_phone,
    phone_key,
)
from ingest.domain.errors import InvalidRequest, InvalidValue
from ingest.domain.names import one_of
from ingest.domain.subscription_contacts import parse_contact

#: Bytes of a hash that are kept (L1).
HASH_BYTES = 16
#: Of the label of the key that makes the hashes.
KEY_LABEL = "suppression"
#: Their contacts are phones, so that one entry is about all of them.
PHONE_CHANNELS = (Channel.SMS, Channel.WHATSAPP, Channel.VIBER, Channel.NOTIFY)


class ContactHasher:
    """Makes the hashes that lists keep in place of contacts (L1).

    HMAC-SHA256 by the key of this deployment, of the SHA-256 of the canonical contact:
    a plain contact and the SHA-256 that partners exchange meet in one value.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @property
    def fingerprint(self) -> bytes:
        """The bytes that tell keys apart, and nothing of them."""
        return hmac.digest(self._key, b"fingerprint", "sha256")[:HASH_BYTES]

    def hash_contact(self, contact: str) -> bytes:
        """Return the hash of a canonical contact."""
        return self.hash_digest(sha256(contact.encode()).digest())

    def hash_digest(self, digest: bytes) -> bytes:
        """Return the hash of a contact of which only its SHA-256 is known."""
        return hmac.digest(self._key, digest, "sha256")[:HASH_BYTES]


class ContactReference(Struct, frozen=True, kw_only=True):
    """A contact as somebody names it: plain, or by a hash."""

    #: None where it is known by a hash.
    channel: Channel | None = None
    contact: str | None = None
    #: The SHA-256 of the canonical contact.
    digest: bytes | None = None
    #: What a list has already, as it was exported.
    hash: bytes | None = None

    def find_hash(self, hasher: ContactHasher) -> bytes:
        """Return what a list keeps of it."""
        if self.hash is not None:
            return self.hash
        if self.digest is not None:
            return hasher.hash_digest(self.digest)
        return hasher.hash_contact(self.contact or "")


def parse_digest(raw: object) -> bytes:
    """Return the bytes of a SHA-256 in hexadecimal; raise InvalidValue otherwise."""
    text = raw.strip() if isinstance(raw, str) else ""
    if not re.fullmatch("[0-9A-Fa-f]{64}", text):
        raise InvalidValue("Must be 64 hexadecimal digits")
    return bytes.fromhex(text)


def read_contact(raw: object) -> ContactReference:
    """Read a contact: an email or international phone, or what names one of a channel.

    Raises InvalidValue, or InvalidRequest with the faults of such an object.
    """
    if not isinstance(raw, Mapping):
        channel, contact = parse_contact_text(raw)
        return ContactReference(channel=channel, contact=contact)
    named = str(raw.get("channel") or "").strip()
    if named not in {one.value for one in Channel}:
        raise InvalidRequest(f"Unknown channel{one_of(Channel)}", "channel")
    channel = Channel(named)
    contact = parse_contact(channel, raw).canonical
    if channel in PHONE_CHANNELS:
        channel = Channel.SMS
    return ContactReference(channel=channel, contact=contact)


def parse_contact_text(raw: object) -> tuple[Channel, str]:
    """Return the channel and the canonical form of an email or an international phone.

    Raises InvalidValue for anything else.
    """
    if not isinstance(raw, str) or not raw.strip():
        raise InvalidValue("Must be an email or a phone")
    text = raw.strip()
    if "@" in text:
        return Channel.EMAIL, email_key(normalize_email(text))
    return Channel.SMS, phone_key(normalize_phone(text))
