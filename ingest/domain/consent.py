"""Consent: which statuses an import may write over which others (C1 to C12).

The order of statuses is that of `statuses.PROHIBITION`: it is free to forbid more, and
to forbid less takes a basis.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field
from msgspec.structs import fields

from ingest.domain.statuses import PROHIBITION, UNCONFIRMED


class ConsentPolicy(StrEnum):
    """The policies for the statuses of a resource's subscriptions."""

    # As with FieldType.
    __hash__ = str.__hash__

    #: What is sent is written, as the contract says.
    OPEN = "open"
    #: A raise needs a basis.
    GUARDED = "guarded"
    #: A new subscription needs one, too; without one it is unconfirmed.
    STRICT = "strict"


class Authority(IntEnum):
    """The right of the sender of an import on a guarded resource."""

    NONE = 0
    #: Raise with a basis (C9).
    RAISE = 1
    #: Raise what was reported as spam, too (C7).
    OPERATOR = 2


class Basis(
    Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The basis of a status: who agreed to what, where, and when (C5)."""

    #: The status may be raised by it.
    raises: bool = field(default=False, name="raise")
    #: Such as `checkout`; empty only where a contract's parameters were sent alone.
    source: str = ""
    #: When the person decided; None for when the import was accepted.
    time: Annotated[datetime, Meta(tz=True)] | None = None
    #: For the record, such as the registration date of `subscriptions/set`: counts as
    #: the time of a raise only, and keeps no opt-out from being written.
    date: Annotated[datetime, Meta(tz=True)] | None = None
    ip: str = ""
    url: str = ""
    #: What the person was told.
    text: str = ""
    version: str = ""
    #: The person has confirmed it: elsewhere, or by our link (D1).
    confirmed: bool = False
    #: The browser by which; never a producer's.
    agent: str = ""

    @property
    def proof(self) -> Mapping[str, object]:
        """The part that is stored, but for the time: that which was sent."""
        sent = ((name, getattr(self, name)) for name in PROOF)
        return {name: value for name, value in sent if value}

    @property
    def sent(self) -> frozenset[str]:
        """The names of what was sent of it."""
        named = {name for name in (*PROOF, "time") if getattr(self, name)}
        return frozenset(named | {"time"} if self.date else named)


#: What is kept of a basis, in the order shown.
PROOF = ("source", "ip", "url", "text", "version", "date", "confirmed", "agent")
#: The source of the basis of what was confirmed by a link (D5).
DOUBLE_OPT_IN = "double opt-in"
#: What a resource may require of a basis.
REQUIREMENTS = ("source", "time", "ip", "url", "text", "version")
#: What a basis is sent as.
NAMES = tuple(one.encode_name for one in fields(Basis) if one.name != "agent")

#: Why a status is kept.
NO_BASIS = "no basis"
INCOMPLETE = "incomplete basis"
RIGHT = "right"
COMPLAINED = "complained"
OLDER = "older than the opt-out"
#: Not a raise: what is stored was said later (C10).
LATER = "newer"
#: Not refused, but to be confirmed by the person first (D1).
AWAITS = "awaits confirmation"
#: Those that protect a person from being written to again.
PROTECTING = (NO_BASIS, INCOMPLETE, RIGHT, COMPLAINED, OLDER)

#: So begins the reason of a status that a suppression list keeps; its id follows.
BY_LIST = "list "


def is_protecting(reason: str) -> bool:
    """Tell whether a status that is kept for this reason protects a person."""
    return reason in PROTECTING or reason.startswith(BY_LIST)


#: What forbids this much, or more, is a person's own decision, or a fact.
_DECIDED = PROHIBITION["hardbounced"]


class StoredStatus(Struct, frozen=True, kw_only=True):
    """A status that is stored."""

    status: str
    #: None where nobody knows: nothing is older.
    at: datetime | None = None


class Claim(Struct, frozen=True, kw_only=True):
    """A status that an import sends, and by what right."""

    status: str
    basis: Basis | None = None
    authority: Authority = Authority.NONE
    accepted_at: datetime

    @property
    def said_at(self) -> datetime:
        """When the person said so."""
        basis = self.basis
        return (basis and (basis.time or basis.date)) or self.accepted_at


class Rules(Struct, frozen=True, kw_only=True):
    """The policy that holds for a subscription, and its requirements."""

    policy: ConsentPolicy = ConsentPolicy.OPEN
    #: What must be there of a basis.
    requires: Sequence[str] = ()
    #: Subscriptions are confirmed by the person, so `unconfirmed` is a state to leave;
    #: whatever the policy, they are guarded (D1).
    confirms: bool = False


class Ruling(Struct, frozen=True, kw_only=True):
    """The status after an import, and why it is not the one that was sent."""

    status: str
    #: Empty where it is.
    reason: str = ""
    #: It forbids less than before, by its basis.
    raised: bool = False


def is_raise(stored: str, sent: str, rules: Rules) -> bool:
    """Tell whether `sent` over `stored` needs a basis, were it guarded (C2)."""
    before, after = PROHIBITION[stored], PROHIBITION[sent]
    if after >= before:
        return False
    confirms = rules.confirms or rules.policy is ConsentPolicy.STRICT
    return before >= _DECIDED or (confirms and stored == UNCONFIRMED)


def decide(stored: StoredStatus | None, claim: Claim, rules: Rules) -> Ruling:
    """Return the status after an import that claims one; `stored` is None for none."""
    if stored is None:
        return _decide_new(claim, rules)
    sent = claim.status
    raises = is_raise(stored.status, sent, rules)
    reason = ""
    if claim.basis is not None and _is_older(claim.basis.time, stored):
        reason = OLDER if raises else LATER
    elif raises and (rules.confirms or rules.policy is not ConsentPolicy.OPEN):
        reason = _find_objection(stored, claim, rules)
        if rules.confirms and not _is_confirmed(claim):
            return _await(stored.status, sent, reason)
        if not reason:
            return Ruling(status=sent, raised=True)
    if not reason or sent == stored.status:
        return Ruling(status=sent)
    return Ruling(status=stored.status, reason=reason)


def _await(stored: str, sent: str, objection: str) -> Ruling:
    """Return the status where the person has not confirmed what takes a basis (D1).

    An opt-out is raised by a basis, but no further than to be asked again.
    """
    if stored == UNCONFIRMED:
        return Ruling(status=stored, reason=AWAITS)
    if objection:
        return Ruling(status=stored, reason=objection)
    if PROHIBITION[sent] < PROHIBITION[UNCONFIRMED]:
        return Ruling(status=UNCONFIRMED, reason=AWAITS, raised=True)
    return Ruling(status=sent, raised=True)


def _is_confirmed(claim: Claim) -> bool:
    """Tell whether a claim says that the person has confirmed; operators know."""
    basis = claim.basis
    return basis is not None and (
        basis.confirmed or claim.authority is Authority.OPERATOR
    )


def _decide_new(claim: Claim, rules: Rules) -> Ruling:
    """Return the status of a new subscription (C3, D1).

    Were a basis not asked of `suspended`, that would be the way to `subscribed`.
    """
    allows = PROHIBITION[claim.status] < PROHIBITION[UNCONFIRMED]
    if rules.confirms and allows and not _is_confirmed(claim):
        return Ruling(status=UNCONFIRMED, reason=AWAITS)
    if allows and (rules.confirms or rules.policy is ConsentPolicy.STRICT):
        reason = _find_gap(claim, rules)
        if reason:
            return Ruling(status=UNCONFIRMED, reason=reason)
    return Ruling(status=claim.status)


def _find_objection(stored: StoredStatus, claim: Claim, rules: Rules) -> str:
    """Return why a claim does not raise what is stored; empty if it does (C5 to C9)."""
    if stored.status == COMPLAINED and claim.authority is not Authority.OPERATOR:
        return COMPLAINED
    reason = _find_gap(claim, rules)
    if not reason and stored.at is not None and claim.said_at <= stored.at:
        return OLDER
    return reason


def _is_older(time: datetime | None, stored: StoredStatus) -> bool:
    return time is not None and stored.at is not None and time < stored.at


def _find_gap(claim: Claim, rules: Rules) -> str:
    """Return what a claim lacks, whatever its time; empty for nothing."""
    basis = claim.basis
    if basis is None or not basis.raises:
        return NO_BASIS
    if not basis.source or not basis.sent.issuperset(rules.requires):
        return INCOMPLETE
    return RIGHT if claim.authority is Authority.NONE else ""


def is_guarding(policy: ConsentPolicy | None) -> bool:
    """Tell whether a policy guards statuses, however an import comes."""
    return policy not in (None, ConsentPolicy.OPEN)


def find_policy(
    of_resource: ConsentPolicy | None,
    of_database: ConsentPolicy | None,
    *,
    is_file: bool,
) -> ConsentPolicy:
    """Return the policy that holds: without a word, files alone are guarded (C4)."""
    declared = of_resource or of_database
    if declared is not None:
        return declared
    return ConsentPolicy.GUARDED if is_file else ConsentPolicy.OPEN
