"""An import as accepted, and what came of it."""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct, field

from ingest.domain.errors import Fault
from ingest.domain.identities import Name

SUCCESS_TEXT = "Successful operation"


class Matching(StrEnum):
    """How an import finds its profile (contract 3.1)."""

    EMAIL = "email"
    EMAIL_PROFILE = "email_profile"
    EMAIL_SUB = "email_sub"
    PHONE = "phone"
    PHONE_SUB = "phone_sub"
    PROFILE_ID = "profile_id"
    PUSH_SUB = "push_sub"
    CUSTOM = "custom"
    CUSTOM_SUB = "custom_sub"
    EMAIL_PHONE = "email_phone"
    EMAIL_PHONE_SUB = "email_phone_sub"


class Operation(StrEnum):
    """What the producer asked for; only `IMPORT` may both create and update."""

    IMPORT = "import"
    UPDATE = "update"
    ADD = "add"


class SubscriptionChange(StrEnum):
    """What may become of subscriptions that a profile has (contract 16.5)."""

    DELETE = "delete"
    RESTORE = "restore"
    SUSPEND_ALL = "suspend_all"
    UNSUSPEND_ALL = "unsuspend_all"

    @property
    def is_of_one(self) -> bool:
        """Tell whether it is of one subscription, or of all that a profile has."""
        return self in (SubscriptionChange.DELETE, SubscriptionChange.RESTORE)


class State(StrEnum):
    """What came of an import."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    DEAD = "dead"


class Key(Struct, frozen=True, kw_only=True):
    """The matching key as sent at top level; what a mode does not need is None.

    Fallbacks from `data` (contract 3.3) are not filled in here.
    """

    email: str | None = None
    phone: str | None = None
    profile_id: str | None = None
    provider: str | None = None
    subscription_id: str | None = None
    field_name: str | None = None
    field_value: object = None


class Start(Struct, frozen=True, kw_only=True):
    """What to start once its import is applied (contract 7.3, 16.5): one or both."""

    trigger_id: int | None = None
    workflow_id: int | None = None
    #: `custom_data`, `content`, `timeout` and `attach`, passed on as sent.
    payload: Mapping[str, object] = field(default_factory=dict)


class Import(Struct, frozen=True, kw_only=True):
    """One accepted import: the envelope checked, `data` still as sent."""

    #: UUIDv7, or made from a producer's name for it; the proof that it is applied once.
    import_id: UUID
    #: When it was accepted (UTC).
    accepted_at: datetime
    #: `http`, `broker` or `file`.
    door: str
    token_id: int | None
    database_id: int
    matching: Matching
    key: Key
    #: Profile fields, still raw: values by field name.
    data: Mapping[str, object]
    operation: Operation = Operation.IMPORT
    #: Narrows the subscription half of email and phone matching.
    resource_id: int | None = None
    skip_triggers: bool = False
    skip_invalid_subscriptions: bool = False
    #: Fields that need not be there are dropped when they are wrong.
    skip_invalid_fields: bool = False
    detect_geo: bool = False
    add_to_segments: tuple[int, ...] = ()
    remove_from_segments: tuple[int, ...] = ()
    start: Start | None = None
    #: Done to the subscriptions that `data` names, which holds nothing else then.
    subscription_change: SubscriptionChange | None = None
    #: W3C trace context of what caused it; passed on to who hears of its events.
    traceparent: str | None = None
    #: Tells requests of one name apart; None where the producer gave no name.
    fingerprint: str | None = None
    #: The id that its name may have given it before: it has one receipt all the same.
    other_id: UUID | None = None
    #: What the door found doubtful and let pass; for the receipt.
    warnings: tuple[Fault, ...] = ()

    @property
    def name(self) -> Name:
        """What makes it the import it is."""
        return Name(import_id=self.import_id, fingerprint=self.fingerprint)


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one import; the receipt holds it, the caller hears it."""

    import_id: UUID
    state: State
    profile_id: str | None = None
    #: Every fault of a rejected or dead import, the answered one first.
    faults: tuple[Fault, ...] = ()
    #: The kind of key that found the profile: `email`, `phone_sub`, …; None if created.
    matched_by: str | None = None
    #: Field path → [old, new], both canonical; None for absent.
    changes: Mapping[str, tuple[object, object]] = field(default_factory=dict)
    #: Subscriptions dropped by `skip_invalid_subscriptions` and fields dropped by
    #: `skip_invalid_fields`, with the reason.
    skipped: tuple[Fault, ...] = ()
    #: What is doubtful and applied all the same; the code is 0.
    warnings: tuple[Fault, ...] = ()

    @property
    def error(self) -> int:
        """The contract's `error`: 0 on success."""
        return self.faults[0].code if self.faults else 0

    @property
    def error_text(self) -> str:
        """The contract's `error_text`: the first fault, with its path."""
        return self.faults[0].text if self.faults else SUCCESS_TEXT
