"""Assertions of an import beside its changes, for whoever takes it back."""

from collections.abc import Iterator, Mapping, Sequence

from ingest.domain.documents import json_key
from ingest.domain.drafts import Draft
from ingest.domain.histories import SEGMENTS, SEGMENTS_REMOVED
from ingest.domain.imports import Import
from ingest.domain.merge import Changes
from ingest.domain.profiles import Profile, name_subscription
from ingest.domain.updates import Action, Update

#: Those whose effect is the value that they leave.
_PLAIN = frozenset({Action.SET, Action.UNSET})
_OF_ELEMENTS = frozenset({Action.ADD, Action.DELETE})

#: Path → elements; None for the whole value.
Claims = Mapping[str, Sequence[object] | None]


def list_operators(draft: Draft, changes: Changes, claims: Claims) -> dict[str, object]:
    """Return the function behind each changed or claimed path that was not set: U2."""
    operators: dict[str, object] = {
        path: _show_operator(update)
        for path, update in draft.fields.items()
        if update.action not in _PLAIN and (path in changes or path in claims)
    }
    phones = draft.phones
    if phones is not None and phones.action not in _PLAIN:
        operators["phones"] = _show_operator(phones)
    return operators


def _show_operator(update: Update) -> object:
    if update.action is Action.UPSERT:
        return {update.action.value: update.submatch}
    return update.action.value


def list_claims(
    before: Profile | None,
    import_: Import,
    draft: Draft,
    changes: Changes,
) -> dict[str, list[object] | None]:
    """Return what an import said that was so already: U2.

    Of a function that adds or deletes elements, all that it names, if any was so.
    """
    if before is None:
        return {}
    claims: dict[str, list[object] | None] = {}
    if draft.email is not None and "email" not in changes:
        claims["email"] = None
    updates: Iterator[tuple[str, Update, object]] = (
        (name, update, before.fields.get(name)) for name, update in draft.fields.items()
    )
    for name, update, value in updates:
        _claim(claims, changes, name, update, value)
    if draft.phones is not None:
        _claim(claims, changes, "phones", draft.phones, list(before.phones))
    for one in draft.subscriptions:
        path = name_subscription(one.key)
        if one.key in before.subscriptions and path not in changes:
            claims[path] = None
    return claims | _list_segments(before, import_)


def _list_segments(before: Profile, import_: Import) -> dict[str, list[object] | None]:
    """Return the memberships that were as the import said."""
    # What is named both ways is removed.
    removed = {*import_.remove_from_segments}
    found = {
        SEGMENTS: ({*import_.add_to_segments} - removed) & before.segments,
        SEGMENTS_REMOVED: removed - before.segments,
    }
    return {path: [*sorted(numbers)] for path, numbers in found.items() if numbers}


def _claim(
    claims: dict[str, list[object] | None],
    changes: Changes,
    path: str,
    update: Update,
    value: object,
) -> None:
    """Add to `claims` what `update` found as it said."""
    if update.action not in _OF_ELEMENTS:
        if path not in changes:
            claims[path] = None
        return
    told = update.value if isinstance(update.value, list) else [update.value]
    stored = {json_key(one) for one in value} if isinstance(value, list) else set()
    adds = update.action is Action.ADD
    if any((json_key(one) in stored) == adds for one in told):
        # All of them, in the order in which they would be added.
        claims[path] = told
