"""Drafts: updates of a profile whose values are read and checked."""

from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from ingest.domain.contacts import normalize_phone
from ingest.domain.errors import Fault, InvalidRequest, InvalidValue
from ingest.domain.names import one_of
from ingest.domain.subscription_changes import SelectedChange
from ingest.domain.subscriptions import SubscriptionDraft
from ingest.domain.updates import Action, Update, find_as_of

#: What `phones` may be told (contract 14, point 29).
_PHONE_ACTIONS = (Action.SET, Action.UNSET, Action.ADD, Action.DELETE)


class Draft(Struct, frozen=True, kw_only=True):
    """The checked content of an import's `data`."""

    #: The profile's new email; None to leave it.
    email: str | None = None
    #: What becomes of the phone list; None to leave it.
    phones: Update | None = None
    #: Updates by field name.
    fields: Mapping[str, Update] = field(default_factory=dict)
    #: Canonical values by field name, found by the IPs; explicit ones win.
    located: Mapping[str, object] = field(default_factory=dict)
    subscriptions: tuple[SubscriptionDraft, ...] = ()
    #: What becomes of subscriptions that are there; None for nothing.
    change: SelectedChange | None = None
    #: What was asked and not done: invalid subscriptions and fields that were dropped,
    #: places that nobody knows.
    skipped: tuple[Fault, ...] = ()


def parse_phones(raw: object, region: str | None = None) -> Update:
    """Return what `phones` is told: a list, one phone, or a function.

    A number without a country code is one of `region` (contract 16.8).
    Raises InvalidRequest with a path inside the list, such as `[1]`.
    """
    update, faults = read_phones(raw, region)
    if faults or update is None:
        raise InvalidRequest(faults)
    return update


def read_phones(
    raw: object, region: str | None = None
) -> tuple[Update | None, list[Fault]]:
    """Return what `phones` is told as far as it is right, and what is wrong with it.

    None when no number is right. Raises InvalidRequest for an unknown action.
    """
    action, as_of = Action.SET, None
    if not isinstance(raw, list) and isinstance(raw, Mapping):
        action = _phone_action(raw.get("action"))
        as_of = _find_as_of(raw)
        raw = raw.get("value")
    if action is Action.UNSET:
        return Update(action=action, as_of=as_of), []
    listed = raw if isinstance(raw, list) else [raw]
    phones: dict[str, None] = {}
    faults: list[Fault] = []
    for index, phone in enumerate(listed):
        try:
            phones[normalize_phone(phone, region)] = None
        except InvalidValue as error:
            path = f"[{index}]" if isinstance(raw, list) else ""
            faults.append(Fault(code=400, message=str(error), path=path))
    if faults and not phones:
        return None, faults
    return Update(action=action, value=list(phones), as_of=as_of), faults


def _find_as_of(raw: Mapping[str, object]) -> datetime | None:
    try:
        return find_as_of(raw)
    except InvalidValue as error:
        raise InvalidRequest(str(error)) from error


def _phone_action(word: object) -> Action:
    try:
        action = Action(str(word))
    except ValueError:
        raise InvalidRequest(f"Unknown action{one_of(_PHONE_ACTIONS)}") from None
    if action not in _PHONE_ACTIONS:
        fitting = one_of(_PHONE_ACTIONS)
        raise InvalidRequest(f"Action {action} does not apply to phones{fitting}")
    return action


def apply_phones(update: Update, current: tuple[str, ...]) -> tuple[str, ...]:
    """Return the phone list after `update`: order kept, no duplicates."""
    named = update.value if isinstance(update.value, list) else []
    if update.action is Action.ADD:
        return tuple(dict.fromkeys((*current, *named)))
    if update.action is Action.DELETE:
        return tuple(phone for phone in current if phone not in named)
    return tuple(named)
