"""Every reply that is neither text nor a file, as it is written and documented.

A member with a default that is UNSET is absent if it has no value; all others are
always written.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType
from msgspec.structs import replace

from ingest.domain.catalog import Channel, SuppressionAction
from ingest.domain.catalog_views import (
    DatabaseView,
    FieldView,
    ResourceView,
    SegmentView,
)
from ingest.domain.imports import (
    HELD_TEXT,
    SUCCESS_TEXT,
    Candidate,
    Matching,
    Operation,
    State,
    Timestamp,
)
from ingest.domain.remedies.codes import ERRORS
from ingest.domain.remedies.table import FaultView
from ingest.domain.views import (
    FlatSubscription,
    ProfileId,
    SubscriptionView,
    TimeView,
)

_CODES = [row.code for row in ERRORS]
#: An error code, or 0.
Code = Annotated[int, Meta(extra_json_schema={"enum": _CODES})]
_NonZero = Annotated[int, Meta(extra_json_schema={"enum": [*filter(None, _CODES)]})]
_Zero = Annotated[int, Meta(extra_json_schema={"enum": [0]})]
_ErrorText = Annotated[
    str, Meta(examples=["Incorrect phone: data.subscriptions[1].phone"])
]

#: The text for an import that is not applied yet.
ACCEPTED_TEXT = "Accepted"


class Reply(Struct, frozen=True, kw_only=True):
    """A reply that says whether all is well."""

    error: Code
    error_text: str


class ErrorReply(Reply, frozen=True, kw_only=True):
    """An error."""

    error: _NonZero
    error_text: _ErrorText
    profile_id: Annotated[
        ProfileId | UnsetType,
        Meta(description="Profile that was saved although its trigger did not start"),
    ] = UNSET
    candidates: Annotated[
        list[Candidate] | UnsetType,
        Meta(description="Profiles of a conflict (409); requires the scope `read`"),
    ] = UNSET


class SuccessReply(Reply, frozen=True, kw_only=True):
    """Success."""

    error: _Zero = 0
    error_text: str = SUCCESS_TEXT


class ImportedReply(SuccessReply, frozen=True, kw_only=True):
    """An applied import."""

    profile_id: ProfileId
    kept: Annotated[
        list[str] | UnsetType,
        Meta(description="Paths of values for which a newer one is stored"),
    ] = UNSET


class HeldReply(SuccessReply, frozen=True, kw_only=True):
    """An import that several profiles match, held until an operator decides."""

    error_text: str = HELD_TEXT
    import_id: UUID
    state: Literal["held"] = "held"
    candidates: Annotated[
        list[Candidate] | UnsetType,
        Meta(description="Profiles that match; requires the scope `read`"),
    ] = UNSET


class AcceptedReply(SuccessReply, frozen=True, kw_only=True):
    """An accepted import that is not applied yet."""

    error_text: str = ACCEPTED_TEXT
    import_id: UUID


def _refer(*names: str) -> Meta:
    """Say which replies an element may be; its type only names their base."""
    shapes = [{"$ref": f"#/components/schemas/{name}"} for name in names]
    return Meta(extra_json_schema={"anyOf": shapes})


_Element = Annotated[Reply, _refer("ImportedReply", "HeldReply", "ErrorReply")]
_AcceptedElement = Annotated[
    Reply, _refer("ImportedReply", "HeldReply", "AcceptedReply", "ErrorReply")
]


class ImportedBatchReply(SuccessReply, frozen=True, kw_only=True):
    """A batch whose imports are all applied or rejected."""

    result: Annotated[
        list[_Element],
        Meta(description="One for each element, in the same order"),
    ]


class AcceptedBatchReply(SuccessReply, frozen=True, kw_only=True):
    """A batch with imports that are not applied yet."""

    error_text: str = ACCEPTED_TEXT
    result: Annotated[
        list[_AcceptedElement],
        Meta(description="One for each element, in the same order"),
    ]
    import_ids: Annotated[
        list[UUID], Meta(description="Imports that are not applied yet")
    ]


class ChangeView(Struct, frozen=True, kw_only=True):
    """A changed value; `old` and `new` require the scope `read`."""

    path: str
    old: Any = UNSET
    new: Any = UNSET


class KeptView(Struct, frozen=True, kw_only=True):
    """A value that was left as it was."""

    path: str
    reason: Annotated[
        str,
        Meta(
            description="Of an undo: `changed since`, `needed` (it found the profile),"
            " `consent`, or `taken` (another profile holds it). Of a merge: `consent`"
            " (a merged profile had a less strict status). Of an import: `newer`"
            " or `ranked` (what is stored is newer, or of a source of higher rank), or"
            " `between` (the number was increased before and after). Of a status: `no"
            " basis`, `incomplete basis`, `right` (the token may not raise),"
            " `complained`, `older than the opt-out`, `newer`, or `awaits confirmation`"
        ),
    ]
    by: Annotated[UUID | UnsetType, Meta(description="Import that keeps the value")] = (
        UNSET
    )
    sent: Annotated[Any, Meta(description="Value that was not written")] = UNSET
    stored: Annotated[
        Any, Meta(description="Status that stays, if the token may read")
    ] = UNSET
    since: Annotated[
        Timestamp | UnsetType, Meta(description="When the stored value was written")
    ] = UNSET


def hide_stored(kept: list[KeptView]) -> list[KeptView]:
    """Return what was left for those who may not read what is stored."""
    return [replace(one, stored=UNSET) for one in kept]


class ReversedView(Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """A reversed value; `from` and `to` require the scope `read`."""

    path: str
    from_: Any = UNSET
    to: Any = UNSET


_Candidates = Annotated[
    list[Candidate] | UnsetType,
    Meta(description="Profiles of a conflict (409); requires the scope `read`"),
]


_Profiles = Annotated[
    list[ProfileId] | UnsetType,
    Meta(description="Profiles that a merge ended, or that its undo restored"),
]


class DecisionView(Struct, frozen=True, kw_only=True):
    """The decision on an import that was held."""

    action: Annotated[
        str, Meta(description="`pick`, `merge`, `retry`, `reject`, or `undo`")
    ]
    by: Annotated[str, Meta(description="Token that decided, or the command line")]
    at: Timestamp
    reason: str | UnsetType = UNSET


class ReceiptReply(Struct, frozen=True, kw_only=True):
    """The receipt of an import."""

    import_id: UUID
    db_id: int
    door: str
    operation: Operation
    matching: Matching
    matched_by: str | None
    state: State
    error: Code
    error_text: str
    faults: list[FaultView]
    profile_id: str | None
    changes: list[ChangeView]
    skipped: list[FaultView]
    warnings: list[FaultView]
    skip_triggers: bool
    job_id: Annotated[
        UUID | UnsetType, Meta(description="Job of the file that it was a row of")
    ] = UNSET
    row: Annotated[
        int | UnsetType, Meta(description="Its row; the first after a header is 1")
    ] = UNSET
    undoes: Annotated[UUID | UnsetType, Meta(description="Import that was undone")] = (
        UNSET
    )
    kept: Annotated[
        list[KeptView] | UnsetType,
        Meta(description="Values that were left as they were"),
    ] = UNSET
    candidates: _Candidates = UNSET
    profiles: _Profiles = UNSET
    decision: Annotated[
        DecisionView | UnsetType, Meta(description="If the import was held")
    ] = UNSET
    reason: Annotated[
        str | UnsetType,
        Meta(description="Of an undo or a merge; requires the scope `read`"),
    ] = UNSET
    accepted_at: Timestamp
    started_at: Timestamp
    applied_at: Timestamp


class DryRunReceipt(Struct, frozen=True, kw_only=True):
    """The receipt that an import would have."""

    state: State
    matched_by: str | None
    changes: list[ChangeView]
    faults: list[FaultView]
    skipped: list[FaultView]
    warnings: list[FaultView]
    kept: list[KeptView] | UnsetType = UNSET
    candidates: _Candidates = UNSET


class DryRunElementReply(Reply, frozen=True, kw_only=True):
    """The reply to an import that was tried, with the receipt that it would have."""

    profile_id: Annotated[
        ProfileId | UnsetType,
        Meta(description="Absent if the profile would be created"),
    ] = UNSET
    receipt: DryRunReceipt


_Behind = Annotated[
    int,
    Meta(
        description="Imports that waited in the same partitions, and that the result"
        " does not include"
    ),
]


class DryRunReply(DryRunElementReply, frozen=True, kw_only=True):
    """The result of a dry run."""

    dry_run: Literal[True] = True
    behind: _Behind


class DryRunBatchReply(SuccessReply, frozen=True, kw_only=True):
    """The results of a dry run of a batch."""

    dry_run: Literal[True] = True
    behind: _Behind
    result: Annotated[
        list[Annotated[Reply, _refer("DryRunElementReply", "ErrorReply")]],
        Meta(description="One for each element, in the same order"),
    ]


class UndoReply(Reply, frozen=True, kw_only=True):
    """The result of an undo."""

    dry_run: Literal[True] | UnsetType = UNSET
    behind: _Behind | UnsetType = UNSET
    import_id: Annotated[
        UUID | UnsetType, Meta(description="The undo; to redo the import, undo it")
    ] = UNSET
    undoes: UUID | UnsetType = UNSET
    state: State
    profile_id: ProfileId | UnsetType = UNSET
    profiles: _Profiles = UNSET
    reversed: list[ReversedView]
    kept: list[KeptView]
    cannot: Annotated[
        list[FaultView], Meta(description="Values that could not be reversed")
    ]
    warnings: list[FaultView]


class NotReversedView(Struct, frozen=True, kw_only=True):
    """An import that an undo would not reverse, or not completely."""

    undoes: UUID
    profile_id: ProfileId
    kept: list[KeptView]
    cannot: Annotated[
        list[FaultView], Meta(description="Values that could not be reversed")
    ]


class UndoPreviewReply(SuccessReply, frozen=True, kw_only=True):
    """The result that the undo of many imports would have: numbers of imports."""

    dry_run: Literal[True] = True
    reversed: Annotated[int, Meta(description="Completely reversed")]
    partly: Annotated[int, Meta(description="Partly reversed")]
    kept: Annotated[int, Meta(description="Nothing reversed: all of it is kept")]
    cannot: Annotated[int, Meta(description="Nothing reversed: it is not possible")]
    rejected: Annotated[int, Meta(description="Held imports that would be rejected")]
    profiles: int
    not_reversed: Annotated[
        list[NotReversedView],
        Meta(description="The first 100 that are not completely reversed"),
    ]


class MergeReply(Reply, frozen=True, kw_only=True):
    """The result of a merge."""

    dry_run: Literal[True] | UnsetType = UNSET
    behind: _Behind | UnsetType = UNSET
    import_id: Annotated[
        UUID | UnsetType, Meta(description="The merge; to part the profiles, undo it")
    ] = UNSET
    state: State
    profile_id: Annotated[
        ProfileId | UnsetType, Meta(description="Profile that survives")
    ] = UNSET
    profiles: Annotated[
        list[ProfileId], Meta(description="Profiles that were merged into it")
    ]
    changes: Annotated[
        list[ChangeView], Meta(description="Changes of the surviving profile")
    ]
    kept: Annotated[
        list[KeptView], Meta(description="Statuses that were not made less strict")
    ]
    faults: list[FaultView]


class MergeView(Struct, frozen=True, kw_only=True):
    """A merge of profiles."""

    merge_id: Annotated[UUID, Meta(description="To part the profiles, undo it")]
    profile_id: Annotated[ProfileId, Meta(description="Profile that survived")]
    profiles: Annotated[
        list[ProfileId], Meta(description="Profiles that were merged into it")
    ]
    merged_at: Timestamp
    operation: Annotated[
        str, Meta(description="`merge`, or that of the import that caused the merge")
    ]
    by: Annotated[
        str,
        Meta(description="Token that sent it, the command line, or the input"),
    ]
    reason: str | UnsetType = UNSET
    undone_by: Annotated[
        UUID | UnsetType, Meta(description="Import that parted the profiles")
    ] = UNSET
    undone_at: Timestamp | UnsetType = UNSET


class MergesReply(SuccessReply, frozen=True, kw_only=True):
    """A page of merges, the latest first."""

    data: list[MergeView]
    from_id: Annotated[
        UUID | UnsetType, Meta(description="Present if there is another page")
    ] = UNSET


class HeldCaseView(Struct, frozen=True, kw_only=True):
    """Held imports with the same candidates, which are decided together."""

    case_id: UUID
    imports: Annotated[int, Meta(description="Number of held imports")]
    first_import_id: UUID
    first_accepted_at: Timestamp
    last_accepted_at: Timestamp
    candidates: list[ProfileId]


class HeldCasesReply(SuccessReply, frozen=True, kw_only=True):
    """Cases of held imports, the oldest first."""

    data: list[HeldCaseView]


class DecidedView(Struct, frozen=True, kw_only=True):
    """The outcome of a held import; changes require the scope `read`."""

    import_id: UUID
    state: State
    error: Code
    error_text: str
    profile_id: ProfileId | UnsetType = UNSET
    changes: list[ChangeView]
    kept: list[KeptView]


class DecidedReply(SuccessReply, frozen=True, kw_only=True):
    """The decision on a case of held imports."""

    dry_run: Literal[True] | UnsetType = UNSET
    case_id: UUID
    merge_id: Annotated[
        UUID | UnsetType, Meta(description="Merge of the candidates; to part, undo it")
    ] = UNSET
    result: Annotated[
        list[DecidedView],
        Meta(description="One for each import, in the order in which it was accepted"),
    ]


class ResentReply(SuccessReply, frozen=True, kw_only=True):
    """The number of deliveries that are due again."""

    dry_run: Literal[True] | UnsetType = UNSET
    from_id: Annotated[
        UUID | UnsetType,
        Meta(description="If there are more events: `from_id` of the next request"),
    ] = UNSET
    resent: Annotated[int, Meta(description="Deliveries that are sent once more")]


class WaitingReply(Struct, frozen=True, kw_only=True):
    """An import without a receipt yet."""

    import_id: UUID
    db_id: int
    state: Literal["waiting"] = "waiting"
    accepted_at: Timestamp
    expected_at: Timestamp | UnsetType = UNSET


class ElementView(Struct, frozen=True, kw_only=True):
    """The outcome of one element of a batch, or that it waits."""

    index: int
    import_id: UUID
    state: Annotated[str, Meta(extra_json_schema={"enum": [*State, "waiting"]})]
    error: Code | UnsetType = UNSET
    error_text: str | UnsetType = UNSET
    profile_id: str | UnsetType | None = UNSET
    accepted_at: Timestamp | UnsetType = UNSET


class BatchReceiptsReply(SuccessReply, frozen=True, kw_only=True):
    """The outcomes of a batch."""

    state: Literal["waiting", "applied"]
    waiting: int
    expected_at: Timestamp | UnsetType = UNSET
    result: list[ElementView]


#: A profile: its members are those of ProfileView, and others by the catalog.
_Profile = Annotated[
    dict[str, Any],
    Meta(extra_json_schema={"$ref": "#/components/schemas/ProfileView"}),
]


class ProfileReply(SuccessReply, frozen=True, kw_only=True):
    """A profile."""

    data: _Profile
    times: Annotated[
        list[TimeView] | UnsetType,
        Meta(description="When values were written, if `times` is set"),
    ] = UNSET


class ProfilesReply(SuccessReply, frozen=True, kw_only=True):
    """A page of profiles."""

    data: list[_Profile]
    from_id: Annotated[
        ProfileId | UnsetType, Meta(description="Present if there may be another page")
    ] = UNSET


class ProfilesFoundReply(SuccessReply, frozen=True, kw_only=True):
    """The profiles that a search has found."""

    data: Annotated[
        list[_Profile], Meta(description="At most 50, those changed last first")
    ]
    count: Annotated[int, Meta(description="The number of matches, up to 1,000")]
    more: Annotated[
        bool,
        Meta(description="There are more matches, or not all profiles were compared"),
    ]
    suggestion: Annotated[
        str | UnsetType, Meta(description="A similar search, if there is no match")
    ] = UNSET


class DeletedView(Struct, frozen=True, kw_only=True):
    """A deleted profile."""

    profile_id: ProfileId
    former_ids: Annotated[
        list[ProfileId] | UnsetType,
        Meta(description="IDs of the profiles that were merged into it"),
    ] = UNSET


class DeletionReply(SuccessReply, frozen=True, kw_only=True):
    """A deleted profile."""

    data: DeletedView


class SubscriptionReply(SuccessReply, frozen=True, kw_only=True):
    """A subscription."""

    data: SubscriptionView


class SubscriptionsReply(SuccessReply, frozen=True, kw_only=True):
    """The subscriptions of a profile that are not deleted."""

    data: list[FlatSubscription]


class StatusView(Struct, frozen=True, kw_only=True):
    """A status of a subscription, and from when until when it holds."""

    profile_id: ProfileId
    resource_id: int
    channel: str
    contact: str
    status: str
    since: Timestamp | UnsetType = UNSET
    until: Annotated[
        Timestamp | UnsetType, Meta(description="Absent while the status holds")
    ] = UNSET
    by: Annotated[
        UUID | UnsetType, Meta(description="Import that set it, if recorded")
    ] = UNSET
    ended_by: Annotated[UUID | UnsetType, Meta(description="Import that ended it")] = (
        UNSET
    )
    consent: Annotated[
        dict[str, Any] | UnsetType, Meta(description="Basis, as it was sent")
    ] = UNSET
    applied: Annotated[
        bool, Meta(description="`false`: it was sent too late, and never held")
    ]


class StatusesReply(SuccessReply, frozen=True, kw_only=True):
    """The statuses of subscriptions, those of each subscription the latest first."""

    data: list[StatusView]


class DatabasesReply(SuccessReply, frozen=True, kw_only=True):
    """Databases."""

    data: list[DatabaseView]


class SegmentsReply(SuccessReply, frozen=True, kw_only=True):
    """Segments."""

    data: list[SegmentView]


class SegmentCountView(Struct, frozen=True, kw_only=True):
    """The number of members of a segment."""

    segment_id: int
    members: int
    state: Annotated[
        str,
        Meta(description="`building`: members of a new filter are still missing"),
    ]


class SegmentCountReply(SuccessReply, frozen=True, kw_only=True):
    """The number of members."""

    data: SegmentCountView


class SegmentMembersReply(SuccessReply, frozen=True, kw_only=True):
    """A page of members."""

    data: list[ProfileId]
    from_id: Annotated[
        ProfileId | UnsetType, Meta(description="Present if there may be another page")
    ] = UNSET


class SegmentPreviewView(Struct, frozen=True, kw_only=True):
    """The profiles that a filter matches."""

    profiles: int
    profile_ids: Annotated[
        list[ProfileId], Meta(description="The first 20, by profile ID")
    ]


class SegmentPreviewReply(SuccessReply, frozen=True, kw_only=True):
    """The preview of a filter."""

    data: SegmentPreviewView


class SuppressionListView(Struct, frozen=True, kw_only=True):
    """A suppression list."""

    id: int
    name: str
    action: SuppressionAction
    status: str
    resource_ids: Annotated[
        list[int], Meta(description="Resources that it is for; empty for all")
    ]
    channels: Annotated[
        list[Channel], Meta(description="Channels that it is for; empty for all")
    ]
    entries: Annotated[
        int, Meta(description="Number of contacts, as of a minute ago at most")
    ]


class SuppressionListsReply(SuccessReply, frozen=True, kw_only=True):
    """Suppression lists."""

    data: list[SuppressionListView]


class SuppressionAddedView(Struct, frozen=True, kw_only=True):
    """The contacts of a request, by whether the list had them."""

    added: int
    known: int


class SuppressionAddedReply(SuccessReply, frozen=True, kw_only=True):
    """Contacts that were added to a list."""

    data: SuppressionAddedView


class SuppressionRemovedView(Struct, frozen=True, kw_only=True):
    """The contacts that a list no longer has."""

    removed: int


class SuppressionRemovedReply(SuccessReply, frozen=True, kw_only=True):
    """Contacts that were removed from a list."""

    data: SuppressionRemovedView


class ListedContactView(Struct, frozen=True, kw_only=True):
    """A list that has a contact, and since when."""

    list_id: int
    reason: str
    source: str
    added_at: Timestamp
    expires_at: Timestamp | UnsetType = UNSET


class SuppressionCheckView(Struct, frozen=True, kw_only=True):
    """A contact, by its place in the request, and the lists that have it."""

    contact: Annotated[str, Meta(description="Such as `contacts[0]`")]
    lists: list[ListedContactView]


class SuppressionChecksReply(SuccessReply, frozen=True, kw_only=True):
    """The lists that contacts are on."""

    data: list[SuppressionCheckView]


class ResourcesReply(SuccessReply, frozen=True, kw_only=True):
    """Resources."""

    data: list[ResourceView]


class ResourceReply(SuccessReply, frozen=True, kw_only=True):
    """A resource."""

    data: ResourceView


class FieldsReply(SuccessReply, frozen=True, kw_only=True):
    """Fields."""

    data: list[FieldView]
