"""An import as accepted, and what came of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Flag, StrEnum, auto
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct, field

from ingest.domain.consent import Authority, Basis, is_protecting
from ingest.domain.errors import Fault
from ingest.domain.identities import ImportName

SUCCESS_TEXT = "Successful operation"
HELD_TEXT = "Held until an operator decides"
#: The form in which an import is written to its stream.
FORM = 1

#: A text for which its digits may be sent as a number.
Digits = Annotated[str, "digits"]
#: One value of any kind.
Scalar = str | int | float | bool
#: A text of printable ASCII, which every column and log holds.
Word = Annotated[str, Meta(pattern=r"\A[ -~]*\Z")]


class Matching(StrEnum):
    """The modes by which an import finds its profile (contract 3.1)."""

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


#: A moment, with its time zone.
Timestamp = Annotated[datetime, Meta(tz=True)]


class OnAmbiguous(StrEnum):
    """The policies for an import that several profiles match."""

    #: It is a conflict.
    REJECT = "reject"
    #: The first kind of key, in the order of the mode, decides if it finds one profile.
    FIRST = "first"
    #: The profile that was created first.
    OLDEST = "oldest"
    #: The profile that was created last.
    NEWEST = "newest"
    #: They become one, if nothing speaks against it.
    MERGE = "merge"
    #: The import waits until an operator decides.
    HOLD = "hold"


class Otherwise(StrEnum):
    """The fate of an import for which its policy does not decide."""

    REJECT = "reject"
    #: It waits until an operator decides.
    HOLD = "hold"


class Operation(StrEnum):
    """The operations on a profile; only `IMPORT` may both create and update."""

    IMPORT = "import"
    UPDATE = "update"
    ADD = "add"
    #: Takes back what another did; no producer's, but an operator's.
    UNDO = "undo"
    #: Makes one profile of several; an operator's.
    MERGE = "merge"
    #: Removes a former key of a profile; an operator's.
    FORGET_KEY = "forget_key"


#: What a producer may ask for.
OF_PRODUCERS = (Operation.IMPORT, Operation.UPDATE, Operation.ADD)


class SubscriptionChange(StrEnum):
    """The changes of subscriptions that a profile has (contract 16.5)."""

    DELETE = "delete"
    RESTORE = "restore"
    SUSPEND_ALL = "suspend_all"
    UNSUSPEND_ALL = "unsuspend_all"
    #: Lowers what suppression lists forbid; no producer's (L4).
    SUPPRESS = "suppress"

    @property
    def is_of_one(self) -> bool:
        """Tell whether it is of one subscription, or of all that a profile has."""
        return self in (SubscriptionChange.DELETE, SubscriptionChange.RESTORE)


class State(StrEnum):
    """The outcomes of an import."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    DEAD = "dead"
    #: The profile was taken back, with the import that had created it.
    REMOVED = "removed"
    #: Several profiles match, and an operator is to decide.
    HELD = "held"


class Level(Flag):
    """The places where a producer may send a parameter."""

    #: At the top of a request, or of a message of a queue.
    REQUEST = auto()
    #: In an element of a batch, for itself.
    ELEMENT = auto()
    #: For every row of a file: in the query of an upload, and as an option.
    ROW = auto()
    #: In a form (contract 10.4), in which every other input is a field.
    FORM = auto()


_IN_BODIES = Level.REQUEST | Level.ELEMENT
_EVERYWHERE = _IN_BODIES | Level.ROW


def _ask(
    meaning: str,
    levels: Level = _EVERYWHERE,
    *,
    name: str = "",
    option: str = "",
    **bounds: Any,
) -> Meta:
    """Declare a parameter; see `ingest.domain.declarations`.

    `name` is what it is called if not by its member, and `option` on a command line.
    """
    extra = {"levels": levels, "name": name, "option": option}
    return Meta(description=meaning, extra=extra, **bounds)


class Key(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The matching key as sent at top level; what a mode does not need is None.

    Fallbacks from `data` (contract 3.3) are not filled in here.
    """

    email: Annotated[
        str | None, _ask("Key of the `email…` modes", _IN_BODIES | Level.FORM)
    ] = None
    phone: Annotated[
        Digits | None, _ask("Key of the `phone…` modes", _IN_BODIES | Level.FORM)
    ] = None
    profile_id: Annotated[
        str | None, _ask("Key of the mode `profile_id`", _IN_BODIES)
    ] = None
    provider: Annotated[
        str | None,
        _ask("Key of the mode `push_sub`, with `subscription_id`", _IN_BODIES),
    ] = None
    subscription_id: Annotated[
        str | None, _ask("Key of the mode `push_sub`, with `provider`", _IN_BODIES)
    ] = None
    field_name: Annotated[
        str | None,
        _ask(
            "Field for the modes `custom` and `custom_sub`",
            _EVERYWHERE | Level.FORM,
            option="--field",
        ),
    ] = None
    field_value: Annotated[
        Scalar | None, _ask("Value of the field `field_name`", _IN_BODIES | Level.FORM)
    ] = None


class Start(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A trigger or workflow to start after its import, or both (contract 7.3, 16.5)."""

    trigger_id: int | None = None
    workflow_id: int | None = None
    #: `custom_data`, `content`, `timeout` and `attach`, passed on as sent.
    payload: Mapping[str, object]

    def __post_init__(self) -> None:
        """Raise ValueError for a start of nothing."""
        if self.trigger_id is self.workflow_id is None:
            raise ValueError("a start of nothing")


class Undo(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The import that is to be taken back."""

    import_id: UUID
    #: Statuses that forbid may be taken back too; needs a reason.
    restore_consent: bool = False
    reason: str = ""


class ProfileMerge(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The profiles that are to become one."""

    #: Their ids, or former ones.
    profiles: tuple[str, ...]
    #: The id of the one that stays, or how it is chosen: `oldest`, `newest`, `latest`.
    survivor: str = "oldest"
    #: Path → whose value stays: a rule (M4), or an id. Others go by the catalog.
    fields: Mapping[str, str] = {}
    reason: str = ""


class FormerKey(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """A value by which a profile is found, and which it does not have."""

    #: `email`, `phones`, or the name of a field.
    path: str
    value: Scalar


class ConfirmationAction(StrEnum):
    """The steps of a subscription that its person is to confirm."""

    #: The person has.
    CONFIRM = "confirm"
    #: They are to be asked once more.
    REQUEST = "request"
    #: They have not for so long that it goes.
    EXPIRE = "expire"


class ConfirmationStep(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The step that an import takes, and with which subscription of its profile."""

    action: ConfirmationAction
    resource_id: int
    channel: str
    #: Canonical.
    contact: str
    #: What was confirmed, or has expired; None of a request.
    confirmation_id: UUID | None = None
    #: Expires only what became unconfirmed before this moment.
    before: Timestamp | None = None


class DecisionNote(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The decision on a held import, for its receipt: by whom, when, and why."""

    action: str
    #: The token, or the program.
    by: str
    at: datetime
    reason: str = ""


class Release(Struct, frozen=True, kw_only=True):
    """The decision on a held import; it is never sent."""

    #: The profile that was picked; None to search again.
    profile_id: str | None = None
    #: Why the import is rejected; empty to apply it.
    rejection: str = ""
    #: None where nobody decided, and it is too late to.
    note: DecisionNote | None = None


class Kept(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A value that an import left as it was."""

    path: str
    reason: str
    #: The import that keeps it so.
    by: UUID | None = None
    #: The value that was not written (T6).
    sent: object = None
    #: Of a status, the one that stays (C8).
    stored: object = None
    #: When that which stays was written.
    since: datetime | None = None

    @property
    def is_in_response(self) -> bool:
        """Whether the answer names it; of statuses, receipts tell (C8)."""
        return self.stored is None


class Order(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The request of a producer: the one declaration of each parameter of an import.

    What is declared here is loaded with all faults, may be said by elements, rows, and
    forms as its levels allow, travels to the workers, and is an option of `penstock
    import` and part of the API document.
    """

    database_id: Annotated[
        int,
        _ask(
            "Profile database",
            Level.REQUEST | Level.ROW | Level.FORM,
            name="db_id",
            option="--database",
            ge=1 - 2**31,
            lt=2**31,
        ),
    ]
    matching: Annotated[Matching, _ask("Matching mode. Default: `email`")]
    key: Key
    #: Narrows the subscription half of email and phone matching.
    resource_id: Annotated[
        int | None,
        _ask("Search subscriptions of this resource only", option="--resource"),
    ] = None
    #: None for the policy of the database.
    on_ambiguous: Annotated[
        OnAmbiguous | None,
        _ask(
            "If several profiles match: `reject` (409), `first`, `oldest`, `newest`,"
            " `merge`, or `hold` (until an operator decides)"
        ),
    ] = None
    #: None for that of the database.
    otherwise: Annotated[
        Otherwise | None,
        _ask("If `on_ambiguous` does not decide: `reject` (409) or `hold`"),
    ] = None
    skip_triggers: Annotated[
        bool, _ask("Do not fire triggers", _EVERYWHERE | Level.FORM)
    ] = False
    skip_invalid_subscriptions: Annotated[
        bool, _ask("Skip invalid subscriptions instead of rejecting the import")
    ] = False
    skip_invalid_fields: Annotated[
        bool, _ask("Skip invalid optional fields instead of rejecting the import")
    ] = False
    #: None for the moment when it was accepted.
    as_of: Annotated[
        Timestamp | None,
        _ask(
            "When the values were true (RFC 3339, or Unix time): they replace nothing"
            " newer"
        ),
    ] = None
    #: What holds for each status that it sends and that has no basis of its own.
    consent: Annotated[
        Basis | None,
        _ask(
            "Basis of the statuses: with `raise`, they may replace opt-outs that are"
            " older",
            _IN_BODIES,
        ),
    ] = None
    detect_geo: Annotated[bool, _ask("Derive the location from `_ip` or `_regip`")] = (
        False
    )
    add_to_segments: Annotated[
        tuple[int, ...],
        _ask("Static segments to add the profile to", option="--segment"),
    ] = ()
    remove_from_segments: Annotated[
        tuple[int, ...],
        _ask("Static segments to remove the profile from", option="--remove-segment"),
    ] = ()
    #: Profile fields, still raw: values by field name.
    data: Annotated[
        Mapping[str, object],
        _ask("Fields, contacts, and subscriptions of the profile", _IN_BODIES),
    ]
    #: By the path of the request.
    operation: Operation = Operation.IMPORT
    #: By a document of another kind (contract 7.3).
    start: Start | None = None
    #: Done to the subscriptions that `data` names, which holds nothing else then.
    subscription_change: SubscriptionChange | None = None
    #: What is doubtful and was let pass, such as an ignored name; for the receipt.
    warnings: tuple[Fault, ...] = ()


class Import(Order, frozen=True, kw_only=True, tag_field="v", tag=FORM):
    """One accepted import: what was asked for, and what its input added."""

    #: UUIDv7, or made from a producer's name for it; the proof that it is applied once.
    import_id: UUID
    #: When it was accepted (UTC).
    accepted_at: Annotated[datetime, Meta(tz=True)]
    #: `http`, `broker`, `file`, `confirm`, …
    door: Word
    token_id: Annotated[int, Meta(ge=1 - 2**31, lt=2**31)] | None
    #: What it may do to statuses that are guarded (C9).
    authority: Authority = Authority.NONE
    #: W3C trace context of what caused it; passed on to who hears of its events.
    traceparent: str | None = None
    #: What of its row could not be read and is dropped by `skip_invalid_fields`.
    unread: tuple[Fault, ...] = ()
    #: Tells requests of one name apart; None where the producer gave no name.
    fingerprint: Word | None = None
    #: The id that its name may have given it before: it has one receipt all the same.
    other_id: UUID | None = None
    #: What is taken back, by the operation `undo`.
    undo: Undo | None = None
    #: What becomes one, by the operation `merge`.
    merge: ProfileMerge | None = None
    #: What finds the profile no more, by the operation `forget_key`.
    forget: FormerKey | None = None
    #: What becomes of a subscription that its person is to confirm (DO).
    confirmation: ConfirmationStep | None = None
    #: What was decided, of one that was held.
    release: Release | None = None

    @property
    def name(self) -> ImportName:
        """Its name, by which it is applied once."""
        return ImportName(import_id=self.import_id, fingerprint=self.fingerprint)


class CandidateKey(Struct, frozen=True, kw_only=True):
    """A key that leads to a candidate."""

    kind: str
    path: str


class Candidate(Struct, frozen=True, kw_only=True):
    """A profile that an import may be about."""

    profile_id: str
    keys: list[CandidateKey]


class Outcome(Struct, frozen=True, kw_only=True):
    """The outcome of one import, for its receipt and its caller."""

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
    #: Path → the function that changed it; of `upsert`, with its submatch.
    operators: Mapping[str, object] = field(default_factory=dict)
    #: Path → what it named of elements some of which were so already; None for a value.
    claims: Mapping[str, Sequence[object] | None] = field(default_factory=dict)
    #: The profiles that an ambiguous or conflicting import named.
    candidates: tuple[Candidate, ...] = ()
    #: What an undo left as it was, and why.
    kept: tuple[Kept, ...] = ()
    #: The channels of statuses that were raised by a basis.
    raised: tuple[str, ...] = ()
    #: The import that was taken back.
    undoes: UUID | None = None
    #: The profiles that a merge ended, or that its undo brought back.
    profiles: tuple[str, ...] = ()

    @property
    def protected(self) -> int:
        """The number of statuses that it was kept from raising (C8, L3)."""
        return sum(is_protecting(one.reason) for one in self.kept)

    @property
    def error(self) -> int:
        """The contract's `error`: 0 on success."""
        return self.faults[0].code if self.faults else 0

    @property
    def error_text(self) -> str:
        """The contract's `error_text`: the first fault, with its path."""
        if self.faults:
            return self.faults[0].text
        return HELD_TEXT if self.state is State.HELD else SUCCESS_TEXT
