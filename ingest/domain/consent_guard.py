"""The guard of statuses: what of an import's statuses is written, and what is kept."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct, to_builtins
from msgspec.structs import replace

from ingest.domain.catalog import (
    Channel,
    Database,
    Resource,
    SuppressionAction,
    SuppressionList,
)
from ingest.domain.consent import (
    LATER,
    OLDER,
    Claim,
    Rules,
    Ruling,
    StoredStatus,
    decide,
    find_policy,
)
from ingest.domain.errors import InvalidRequest
from ingest.domain.imports import Import, Kept
from ingest.domain.profiles import (
    Profile,
    Subscription,
    SubscriptionKey,
    name_subscription,
)
from ingest.domain.statuses import (
    DEFAULT_STATUS,
    PROHIBITION,
    UNCONFIRMED,
    read_word,
)
from ingest.domain.subscription_drafts import SubscriptionDraft
from ingest.domain.suppressions import SuppressionCheck, make_fault, name_reason

#: The door whose imports are guarded unless the catalog has a word.
_FILE = "file"
#: The status of a profile as a whole.
STATUS = "_status"
#: In place of its channel.
OF_PROFILE = "profile"


class StatusFact(Struct, frozen=True, kw_only=True):
    """A status, and what is known of it."""

    status: str
    #: None where nobody knows.
    at: datetime | None = None
    by: UUID | None = None
    consent: Mapping[str, object] | None = None


class Unapplied(Struct, frozen=True, kw_only=True):
    """A status that was said before the one that is stored (C10)."""

    key: SubscriptionKey
    fact: StatusFact


class Guard:
    """Judges the statuses that one import sends, and notes what it keeps."""

    # Every import has one.
    __slots__ = (
        "_database",
        "_import",
        "_suppression",
        "accepted_at",
        "has_ruled",
        "is_watching",
        "kept",
        "raised",
        "unapplied",
        "unconfirmed",
    )

    def __init__(
        self,
        import_: Import,
        database: Database,
        suppression: SuppressionCheck | None = None,
    ) -> None:
        self._import = import_
        self._database = database
        self._suppression = suppression
        self.accepted_at = import_.accepted_at
        #: New subscriptions are judged too, and not those of recorded resources only:
        #: else they have what is sent, as of `accepted_at`.
        self.is_watching = (
            suppression is not None
            or import_.consent is not None
            or database.is_guarded
        )
        #: It has judged a status over one that is stored.
        self.has_ruled = False
        self.kept: list[Kept] = []
        #: The channels of the statuses that were raised.
        self.raised: list[str] = []
        self.unapplied: list[Unapplied] = []
        #: Those that have become unconfirmed, where the person is to confirm (D2).
        self.unconfirmed: list[SubscriptionKey] = []

    def heeds(self, draft: SubscriptionDraft, stored: Subscription) -> bool:
        """Tell whether a draft says anything new of the status that is stored.

        The same one, at a later moment, is new: it outlives what was said between.
        """
        if stored.deleted and self._find_lists(draft.key):
            return True
        if draft.status is None or draft.status != stored.status:
            return draft.status is not None
        basis = draft.consent or self._import.consent
        if basis is None or basis.time is None or stored.status_at is None:
            return False
        return basis.time > stored.status_at

    def judge(
        self,
        draft: SubscriptionDraft,
        resource: Resource,
        stored: Subscription | None,
    ) -> StatusFact:
        """Return the status of a subscription after the import, and its facts.

        Raises InvalidRequest for a new one that a suppression list refuses.
        """
        sent = draft.status
        lists = self._find_lists(draft.key)
        claim = Claim(
            status=sent or (stored.status if stored else DEFAULT_STATUS),
            basis=draft.consent or self._import.consent,
            authority=self._import.authority,
            accepted_at=self.accepted_at,
        )
        known = None
        if stored is not None:
            self.has_ruled = True
            known = StoredStatus(status=stored.status, at=stored.status_at)
        ruling = self._rule(known, claim, resource, draft.key.channel)
        suppressed = _suppress(ruling, stored, lists) if lists else ruling
        if suppressed is not ruling:
            # What a list keeps has no basis.
            ruling, claim = suppressed, replace(claim, basis=None)
        if ruling.reason:
            self._keep(draft.key, claim, ruling, stored)
            if stored is not None and ruling.status == stored.status:
                return read_fact(stored)
        if ruling.raised:
            self.raised.append(draft.key.channel.value)
        return self._make_fact(claim, ruling.status, resource, stored)

    def allows(self, before: Profile, status: object) -> bool:
        """Tell whether a status of the profile as a whole may be written (C3)."""
        was = before.fields.get(STATUS)
        # Of a profile that is not stored yet, this import knows no better.
        since = before.updated_at or self.accepted_at
        claim = Claim(
            status=read_word(status),
            basis=self._import.consent,
            authority=self._import.authority,
            accepted_at=self.accepted_at,
        )
        known = StoredStatus(status=read_word(was), at=since)
        ruling = decide(known, claim, self._find_rules(None))
        if ruling.reason:
            kept = Kept(
                path=STATUS,
                reason=ruling.reason,
                sent=status,
                stored=was,
                since=before.updated_at,
            )
            self.kept.append(kept)
        elif ruling.raised:
            self.raised.append(OF_PROFILE)
        return not ruling.reason

    def suppress(
        self, subscriptions: Mapping[SubscriptionKey, Subscription]
    ) -> dict[SubscriptionKey, Subscription]:
        """Return subscriptions with what suppression lists forbid lowered (L4).

        Unchanged ones are the same objects.
        """
        return {key: self._lower(one) for key, one in subscriptions.items()}

    def _lower(self, one: Subscription) -> Subscription:
        check = self._suppression
        if check is None or one.deleted:
            return one
        named = check.find_floor(one.key, one.status)
        if named is None:
            return one
        at = self.accepted_at
        if one.status_at is not None:
            at = max(at, one.status_at)
        return replace(
            one,
            status=named.status,
            status_at=at,
            status_by=self._import.import_id,
            consent=None,
        )

    def _find_lists(self, key: SubscriptionKey) -> list[SuppressionList]:
        return [] if self._suppression is None else self._suppression.find(key)

    def _rule(
        self,
        stored: StoredStatus | None,
        claim: Claim,
        resource: Resource,
        channel: Channel,
    ) -> Ruling:
        if self._import.confirmation is None:
            return decide(stored, claim, self._find_rules(resource, channel))
        # The person's answer comes after the question, whatever clocks say (D5).
        return Ruling(status=claim.status, raised=True)

    def note_unconfirmed(
        self, resource: Resource, stored: Subscription | None, after: Subscription
    ) -> None:
        """Note a subscription whose person is to be asked: it has become unconfirmed.

        One that was deleted and comes back is as new.
        """
        was = stored is not None and not stored.deleted and stored.status == UNCONFIRMED
        becomes = after.status == UNCONFIRMED and not was
        if becomes and resource.confirms(after.key.channel):
            self.unconfirmed.append(after.key)

    def _find_rules(
        self, resource: Resource | None, channel: Channel | None = None
    ) -> Rules:
        policy = find_policy(
            resource.consent if resource else None,
            self._database.consent,
            is_file=self._import.door == _FILE,
        )
        requires = resource.consent_requires if resource else ()
        confirms = (
            resource is not None and channel is not None and resource.confirms(channel)
        )
        return Rules(policy=policy, requires=requires, confirms=confirms)

    def _make_fact(
        self,
        claim: Claim,
        status: str,
        resource: Resource,
        stored: Subscription | None,
    ) -> StatusFact:
        basis, at = claim.basis, claim.accepted_at
        if basis is not None and basis.time is not None:
            at = basis.time
        elif stored is not None and stored.status_at is not None:
            # It is said now, whatever another host's clock has said before.
            at = max(at, stored.status_at)
        is_traced = basis is not None or is_recorded(resource, self._database)
        return StatusFact(
            status=status,
            at=at,
            by=self._import.import_id if is_traced else None,
            consent=(to_builtins(basis.proof) or None) if basis else None,
        )

    def _keep(
        self,
        key: SubscriptionKey,
        claim: Claim,
        ruling: Ruling,
        stored: Subscription | None,
    ) -> None:
        """Note that a status is kept; and what was said too late, to be recorded."""
        kept = Kept(
            path=f"{name_subscription(key)}.status",
            reason=ruling.reason,
            sent=claim.status,
            stored=ruling.status,
            since=stored.status_at if stored else None,
        )
        self.kept.append(kept)
        basis = claim.basis
        if ruling.reason in (OLDER, LATER) and basis is not None and basis.time:
            fact = StatusFact(
                status=claim.status,
                at=basis.time,
                by=self._import.import_id,
                consent=to_builtins(basis.proof) or None,
            )
            self.unapplied.append(Unapplied(key=key, fact=fact))


def _suppress(
    ruling: Ruling, stored: Subscription | None, lists: Sequence[SuppressionList]
) -> Ruling:
    """Return a ruling as far as suppression lists let it (L3), whatever its basis.

    They stop what is new, and what is raised. Raises InvalidRequest for a new one that
    a list refuses.
    """
    is_new = stored is None or stored.deleted
    refusing = [one for one in lists if one.action is SuppressionAction.REFUSE]
    if is_new and refusing:
        raise InvalidRequest([make_fault(refusing[0])])
    before, rank = stored.status if stored else DEFAULT_STATUS, PROHIBITION
    if not is_new and rank[ruling.status] >= rank[before]:
        return ruling
    strictest = lists[0]
    if rank[ruling.status] >= rank[strictest.status]:
        return ruling
    status = before if rank[before] >= rank[strictest.status] else strictest.status
    return Ruling(status=status, reason=name_reason(strictest))


def read_fact(stored: Subscription) -> StatusFact:
    """Return the status that a subscription has, and what is known of it."""
    return StatusFact(
        status=stored.status,
        at=stored.status_at,
        by=stored.status_by,
        consent=stored.consent,
    )


def is_recorded(resource: Resource, database: Database) -> bool:
    """Tell whether each status of a resource's subscriptions is recorded (CH)."""
    if resource.is_recorded or resource.consent is not None:
        return resource.is_recorded
    return database.is_guarded
