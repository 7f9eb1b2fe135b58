"""The catalog: what databases, fields, resources, segments and triggers exist."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from ingest.domain.consent import ConsentPolicy, is_guarding
from ingest.domain.deliveries import CONCURRENCY
from ingest.domain.imports import OnAmbiguous, Otherwise
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits

if TYPE_CHECKING:
    from ingest.domain.dynamic_segments import DynamicSegments
    from ingest.domain.suppressions import SuppressionRules
    from ingest.domain.trigger_conditions import TriggerConditions


class FieldType(StrEnum):
    """The types of fields (contract section 5)."""

    # Enum's own hash is a call into Python, and these are looked up all the time.
    __hash__ = str.__hash__

    INT = "int"
    FLOAT = "float"
    UNICODE = "unicode"
    DATE = "date"
    BOOL = "bool"
    ENUM = "enum"
    IP = "ip"
    TAGS = "tags"
    OBJECT = "object"
    ARR_OBJECT = "arr_object"
    #: Subscription fields only, such as an operating system's version.
    VERSION = "version"
    #: System fields with rules of their own (contract 4.1, 4.4).
    SEX = "sex"
    COUNTRY = "country"
    TIMEZONE = "timezone"
    STATUS = "status"
    #: A system field that may also be IPv6 (contract 14, point 39).
    ANY_IP = "any_ip"


class Channel(StrEnum):
    """The channels by which a subscription reaches a person (contract 6.1)."""

    # As with FieldType.
    __hash__ = str.__hash__

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    TELEGRAM_BOT = "telegram_bot"
    WHATSAPP = "whatsapp"
    VIBER = "viber"
    NOTIFY = "notify"


class SegmentKind(StrEnum):
    """Only static segments take explicit members (contract section 8)."""

    STATIC = "static"
    DYNAMIC = "dynamic"


class SuppressionAction(StrEnum):
    """The fates of contacts of a suppression list (L3)."""

    #: They are stored, with the status of the list.
    STORE = "store"
    #: They are not, and no profile is created with them.
    REFUSE = "refuse"


class EventKind(StrEnum):
    """The events that triggers listen for (contract 7.1)."""

    #: Every import that was not rejected, one without a change too (14, point 57).
    IMPORT = "import"
    PROFILE_CREATED = "profile_created"
    PROFILE_UPDATED = "profile_updated"
    SUBSCRIPTION = "subscription"
    SEGMENT_ENTERED = "segment_entered"
    SEGMENT_LEFT = "segment_left"
    #: An explicit start, of a workflow too (contract 7.3, 16.5).
    API_CALL = "api_call"
    #: What an import did was taken back.
    IMPORT_UNDONE = "import_undone"
    #: Several profiles became one.
    PROFILES_MERGED = "profiles_merged"
    #: And were parted again: that merge was undone.
    PROFILES_UNMERGED = "profiles_unmerged"
    #: A person is to be asked whether a subscription is theirs (D2).
    CONFIRMATION_REQUESTED = "confirmation_requested"


class Novelty(StrEnum):
    """The changes of a subscription that triggers listen for (contract 7.1)."""

    #: The profile had no subscription on this resource.
    NEW_SUBSCRIPTION = "new_subscription"
    #: It had none of this channel on this resource.
    NEW_CHANNEL = "new_channel"
    #: This contact was not subscribed.
    NEW_CONTACT = "new_contact"
    STATUS_CHANGED = "status_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a database, or one subscription field of a resource."""

    name: str
    type: FieldType
    title: str = ""
    #: Must be present when a profile is created.
    required: bool = False
    #: A canonical value stored on create when the field is absent; None for none.
    default: object = None
    #: What an enum may hold.
    options: tuple[str, ...] = ()
    #: Indexed, so that `custom` matching by it is fast and safe under concurrency.
    match: bool = False
    #: No two profiles of the database may hold the same value; implies `match`.
    unique: bool = False
    #: The rule for merged profiles (M4); empty for the default of the type.
    merge: str = ""
    #: Subscription fields: the channels it exists on; empty for all.
    channels: frozenset[Channel] = frozenset()
    #: Defined by Penstock rather than by the catalog.
    system: bool = False

    def __post_init__(self) -> None:
        # JSON has one kind of number: a whole float comes back from it as an int.
        if self.type is FieldType.FLOAT and isinstance(self.default, int):
            object.__setattr__(self, "default", float(self.default))


def _derived() -> tuple[Field, ...]:
    """Declare fields that follow from `fields`, and are in no file and no table."""
    return field(default=(), init=False, repr=False, compare=False)


def _derive(
    owner: "Resource | Database", name: str, chosen: Callable[[Field], bool]
) -> None:
    """Keep which of the fields are `chosen`, as every import of `owner` asks."""
    object.__setattr__(owner, name, tuple(filter(chosen, owner.fields.values())))


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPolicy:
    """The ways in which people confirm their subscriptions on a resource (D1)."""

    #: Subscriptions of other channels are not confirmed.
    channels: frozenset[Channel] = frozenset({Channel.EMAIL})
    #: How long a link can be used, such as `14d`.
    expires: str = "14d"
    #: How long after a request there may be another, and how many there may be besides
    #: the first while its link can be used (D3).
    resend_after: str = "1d"
    resend_limit: int = 3
    #: Where a person is led who has confirmed; empty for a page of ours.
    redirect: str = ""
    #: To open the link is enough; scanners of mail open them, too (D4).
    one_click: bool = False

    def __str__(self) -> str:
        """Return it in a line, for plans."""
        told = {
            "channels": ", ".join(sorted(self.channels)),
            "expires": self.expires,
            "resend_after": self.resend_after,
            "resend_limit": self.resend_limit,
            "redirect": self.redirect or "none",
            "one_click": str(self.one_click).lower(),
        }
        return "; ".join(f"{name} = {value}" for name, value in told.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A brand or site that people subscribe to."""

    id: int
    name: str
    account_id: int
    database_ids: frozenset[int]
    channels: frozenset[Channel]
    categories: frozenset[str] = frozenset()
    #: Subscription fields by name, system ones included.
    fields: Mapping[str, Field] = field(default_factory=dict)
    #: A new subscription without a priority becomes the highest (0).
    raise_new_priority: bool = False
    #: The policy for statuses; None for that of the database (C3).
    consent: ConsentPolicy | None = None
    #: What a basis must have (C5).
    consent_requires: tuple[str, ...] = ()
    #: Changes of statuses are recorded although nothing guards them.
    consent_history: bool = False
    #: Contacts that get one of these statuses go on this suppression list (L5).
    suppress_on: frozenset[str] = frozenset()
    suppress_list_id: int | None = None
    #: None where nobody has to confirm (D1).
    confirm: ConfirmationPolicy | None = None
    #: Subscriptions that nobody confirmed for so many days are deleted; None for never
    #: (D6).
    unconfirmed_days: int | None = None
    url: str = ""
    #: Those of `fields` that a new subscription must have.
    required_fields: tuple[Field, ...] = _derived()
    #: Its statuses are recorded, whatever the policy of the database (CH).
    is_recorded: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _derive(self, "required_fields", lambda declared: declared.required)
        recorded = self.consent_history or self.confirm is not None
        recorded = recorded or is_guarding(self.consent)
        object.__setattr__(self, "is_recorded", recorded)

    def confirms(self, channel: Channel) -> bool:
        """Tell whether subscriptions of a channel are to be confirmed."""
        return self.confirm is not None and channel in self.confirm.channels


@dataclass(frozen=True, slots=True, kw_only=True)
class SuppressionList:
    """A list of contacts of an account that are not to be written to; of hashes."""

    id: int
    name: str
    account_id: int
    #: The subscriptions that it is about: of these resources and channels; of any, for
    #: none. Only a list for all resources refuses profiles.
    resource_ids: frozenset[int] = frozenset()
    channels: frozenset[Channel] = frozenset()
    action: SuppressionAction = SuppressionAction.STORE
    #: What their subscriptions have, at least.
    status: str = "unsubscribed"
    #: Whether there was ever a contact on it; it is not declared.
    filled: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A named set of profiles of one database."""

    id: int
    name: str
    database_id: int
    kind: SegmentKind
    #: What its members fulfill: the plain tree of a condition, with canonical literals.
    #: A dynamic segment without it has no members (S9).
    filter: Mapping[str, Any] | None = None
    #: Members that come and go as it is built are announced by events (G7).
    announce: bool = False
    #: How often it was built, and whether it is now: neither is declared.
    revision: int = field(default=0, compare=False)
    building: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A set of profiles that share fields and rules."""

    id: int
    name: str
    account_id: int
    #: Where a subscription without `resource_id` goes; None for nowhere.
    default_resource_id: int | None = None
    #: Accept and drop fields the catalog does not name, instead of rejecting.
    ignore_unknown_fields: bool = False
    #: Where a phone without a country code is (ISO 3166); None: it is international.
    phone_region: str | None = None
    #: What becomes of an import that several profiles match, unless it says.
    on_ambiguous: OnAmbiguous = OnAmbiguous.REJECT
    #: What becomes of it if that does not decide, unless it says.
    otherwise: Otherwise = Otherwise.REJECT
    #: What proves that profiles are one person: `email`, `phone`, or match fields.
    merge_keys: tuple[str, ...] = ("email",)
    #: Values that prove nothing, such as an address of the company itself.
    merge_blocked: tuple[str, ...] = ()
    #: Profiles that one may take over in 30 days without being asked for.
    merge_limit: int = 5
    #: Receipts record what was sent and was so already, for undo.
    claims: bool = False
    #: Values are dated, and older ones replace no newer ones (T1).
    times: bool = False
    #: The policy for statuses of its profiles, and on resources without one; None: that
    #: depends on how an import comes (C4).
    consent: ConsentPolicy | None = None
    #: The ranks of the sources of imports; 0 for those that are not named (T4).
    sources: Mapping[str, int] = field(default_factory=dict)
    #: Of a field, `email`, or `phones`: the sources with another rank there (T4).
    field_sources: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    #: The suppression list for the contacts of deleted profiles (L6).
    forget_list_id: int | None = None
    #: Whose days are those of `birthday` (S7): an IANA name.
    timezone: str = "UTC"
    #: Fields by name, system ones included; not `email`, `phones`, `subscriptions`.
    fields: Mapping[str, Field] = field(default_factory=dict)
    #: Those of `fields` that a new profile must have, that it gets unless it has them,
    #: and that profiles are found by.
    required_fields: tuple[Field, ...] = _derived()
    defaulted_fields: tuple[Field, ...] = _derived()
    match_fields: tuple[Field, ...] = _derived()
    #: Its own policy guards statuses, however an import comes.
    is_guarded: bool = field(default=False, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_guarded", is_guarding(self.consent))
        _derive(self, "required_fields", lambda declared: declared.required)
        _derive(self, "defaulted_fields", lambda one: one.default is not None)
        _derive(self, "match_fields", lambda declared: declared.match)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A destination of events: the URL of a webhook, or a message queue."""

    id: int
    name: str
    account_id: int
    #: Either this is empty or `queue` is.
    url: str = ""
    queue: str = ""
    #: Requests per second, of all couriers together; None for any number (T5).
    rate: float | None = None
    #: Requests under way at once, of each courier.
    concurrency: int = CONCURRENCY
    #: Events that one request has, at most; None for one, which is no batch (T6).
    batch: int | None = None
    #: How long an event waits for others of its batch, such as `1s`.
    linger: str = ""
    #: How long every attempt may fail before it is disabled, such as `5d` (T7).
    disable_after: str = ""


#: Includes every member of a profile.
EVERYTHING = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A rule: which events of a database go to which endpoint."""

    id: int
    name: str
    database_id: int
    endpoint_id: int
    event: EventKind
    #: Subscription events: on this resource and channel only; None for any.
    resource_id: int | None = None
    channel: Channel | None = None
    #: Subscription events: with one of these only; empty for any change.
    novelties: frozenset[Novelty] = frozenset()
    #: Segment events: of this segment only; None for any.
    segment_id: int | None = None
    #: Created and updated profiles: when one of these changed; empty for any change.
    fields: frozenset[str] = frozenset()
    #: Subscription events: with one of these statuses after, or before; empty for any.
    statuses: frozenset[str] = frozenset()
    from_statuses: frozenset[str] = frozenset()
    #: What the profile fulfills after the import, and before it: plain trees.
    when: Mapping[str, Any] | None = None
    was: Mapping[str, Any] | None = None
    #: Members of the profile that are sent along; EVERYTHING for all.
    include: tuple[str, ...] = ()
    #: Of each profile at most one event: ever, or in a duration such as `24h`.
    once: bool = False
    every: str = ""
    #: How long after the import its events are sent, such as `1h` (T4).
    delay: str = ""
    #: They are sent only if `when` still holds then.
    recheck: bool = False

    @property
    def is_limited(self) -> bool:
        """Whether it does not fire each time (T3)."""
        return self.once or bool(self.every)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A workflow for profiles of a database, which runs at its endpoint."""

    id: int
    name: str
    database_id: int
    endpoint_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything an import can refer to, as of one `version`."""

    version: int
    #: By id, each.
    databases: Mapping[int, Database]
    resources: Mapping[int, Resource]
    segments: Mapping[int, Segment]
    #: Those whose endpoint takes deliveries.
    triggers: Mapping[int, Trigger] = field(default_factory=dict)
    workflows: Mapping[int, Workflow] = field(default_factory=dict)
    #: How much a profile may hold; by the settings, not declared.
    limits: ProfileLimits = DEFAULT_LIMITS
    #: The sources of tokens that have one (T4).
    sources: Mapping[int, str] = field(default_factory=dict)
    #: By database: its dynamic segments, compiled; of one without, nothing.
    dynamic: "Mapping[int, DynamicSegments]" = field(default_factory=dict)
    #: By trigger: its conditions, compiled; of one without, nothing.
    conditions: "Mapping[int, TriggerConditions]" = field(default_factory=dict)
    #: Whether there is a trigger that does not fire each time.
    limited: bool = False
    suppressions: Mapping[int, SuppressionList] = field(default_factory=dict)
    #: The suppression lists that may have entries; None if there are none.
    suppression: "SuppressionRules | None" = None
    #: Whether there is one whose events are sent later.
    delayed: bool = False
    #: The accounts whose messages may raise statuses by a basis (C9).
    raising_accounts: frozenset[int] = frozenset()
    #: Changes of some statuses are recorded.
    records_statuses: bool = field(default=False, init=False, compare=False)

    def __post_init__(self) -> None:
        recorded = any(one.is_guarded for one in self.databases.values())
        recorded = recorded or any(one.is_recorded for one in self.resources.values())
        object.__setattr__(self, "records_statuses", recorded)


def open_statuses(catalog: Catalog) -> Catalog:
    """Return a catalog in which no status is guarded, or recorded."""
    return replace(
        catalog,
        databases={
            id_: replace(one, consent=ConsentPolicy.OPEN)
            for id_, one in catalog.databases.items()
        },
        resources={
            id_: replace(
                one, consent=ConsentPolicy.OPEN, consent_history=False, confirm=None
            )
            for id_, one in catalog.resources.items()
        },
    )
