"""Undo: the reversal of an import, put into the profiles that a batch works on."""

from collections.abc import Collection, Mapping

from ingest.domain import histories
from ingest.domain.catalog import Catalog, Database
from ingest.domain.contacts import email_key
from ingest.domain.errors import AlreadyUndone, Fault, InvalidValue
from ingest.domain.fields import match_value
from ingest.domain.histories import History, PastImport
from ingest.domain.imports import Import, Outcome, State
from ingest.domain.lookups import (
    EMAIL,
    FIELD_PREFIX,
    PROFILE_ID,
    Lookup,
    is_exclusive,
    search_keys,
)
from ingest.domain.merge import Changes
from ingest.domain.paths import list_changes, write
from ingest.domain.profiles import Profile
from ingest.domain.reversals import CHANGED_SINCE, Reversal, take_back
from ingest.domain.workspace import Workspace


def apply(
    workspace: Workspace,
    import_: Import,
    history: History,
    restored: Collection[Lookup],
) -> Outcome:
    """Take back in `workspace` what the undo `import_` names.

    `restored` are the unique values that may come back, which are locked. Raises what
    `take_back` does but AlreadyUndone: to undo twice is to have undone.
    """
    undo, database_id = import_.undo, import_.database_id
    if undo is None:
        raise ValueError("not an undo")
    profile_id = import_.key.profile_id or ""
    profile = workspace.current.get((database_id, profile_id))
    matched_by = None if profile is None else PROFILE_ID
    database = workspace.catalog.databases[database_id]
    try:
        reversal = take_back(profile, history, undo, database)
    except AlreadyUndone as error:
        return Outcome(
            import_id=import_.import_id,
            state=State.UNCHANGED,
            profile_id=profile_id,
            matched_by=matched_by,
            warnings=(Fault(code=0, message=str(error)),),
        )
    before = profile or Profile(id=profile_id, database_id=database_id)
    after, faults = _store(workspace, before, reversal, restored)
    changes = list_changes(profile, after)
    return Outcome(
        import_id=import_.import_id,
        state=_find_state(profile, after, changes),
        profile_id=profile_id,
        matched_by=matched_by,
        changes=changes,
        kept=reversal.kept,
        faults=faults,
        undoes=undo.import_id,
    )


def _find_state(
    before: Profile | None, after: Profile | None, changes: Changes
) -> State:
    if after is None:
        return State.REMOVED
    if not changes:
        return State.UNCHANGED
    return State.UPDATED if before else State.CREATED


def _store(
    workspace: Workspace,
    before: Profile,
    reversal: Reversal,
    restored: Collection[Lookup],
) -> tuple[Profile | None, tuple[Fault, ...]]:
    """Put what a reversal makes of a profile; return it, and what could not be done."""
    if reversal.removes:
        workspace.remove(before)
        return None, reversal.faults
    faults = [*reversal.faults]
    values = _without_unknown_segments(reversal.values, workspace.catalog, faults)
    while values:
        after = write(before, values)
        if taken := _find_taken(workspace, before, after, restored):
            faults += taken
            for fault in taken:
                del values[fault.path]
            continue
        workspace.put(after)
        return after, tuple(faults)
    return before, tuple(faults)


def _without_unknown_segments(
    values: Mapping[str, object], catalog: Catalog, faults: list[Fault]
) -> dict[str, object]:
    """Return `values` with the segments that there are; add to `faults` for others."""
    kept = dict(values)
    listed = histories.list_of(kept.get(histories.SEGMENTS))
    if any(one not in catalog.segments for one in listed):
        message = "A segment is no longer in the catalog"
        faults.append(Fault(code=404, message=message, path=histories.SEGMENTS))
        del kept[histories.SEGMENTS]
    return kept


def _find_taken(
    workspace: Workspace, before: Profile, after: Profile, restored: Collection[Lookup]
) -> list[Fault]:
    """Return a fault for each value that comes back and that one profile may hold."""
    database = workspace.catalog.databases[after.database_id]
    fresh = search_keys(after, database) - search_keys(before, database)
    # One for each path, of which a value may have several keys.
    faults: dict[str, Fault] = {}
    for lookup in sorted(fresh, key=lambda lookup: (lookup.kind, lookup.value)):
        if not is_exclusive(database, lookup):
            continue
        holders = workspace.find_holders(after.database_id, lookup) - {after.id}
        if not holders and lookup in restored:
            continue
        message = "Changed during the undo (try it again)"
        if holders:
            message = f"Taken by profile {min(holders)}"
        path = lookup.kind.removeprefix(FIELD_PREFIX)
        faults[path] = Fault(code=409, message=message, path=path)
    return list(faults.values())


def remember(import_: Import, outcome: Outcome) -> PastImport:
    """Return an import of the same batch as its receipt will tell of it."""
    unreversed = {one.path for one in outcome.kept if one.reason != CHANGED_SINCE}
    unreversed |= {fault.path for fault in outcome.faults}
    return PastImport(
        import_id=import_.import_id,
        state=outcome.state,
        matched_by=outcome.matched_by,
        changes=outcome.changes,
        operators=outcome.operators,
        claims=outcome.claims,
        undoes=outcome.undoes,
        unreversed=frozenset(unreversed) if outcome.undoes else frozenset(),
    )


def list_restored(history: History, database: Database) -> tuple[Lookup, ...]:
    """Return the unique values that a profile of this history ever had."""
    found: dict[Lookup, None] = {}
    for past in history:
        for path, values in past.changes.items():
            for value in values:
                found |= dict.fromkeys(_list_lookups(path, value, database))
    return tuple(found)


def _list_lookups(path: str, value: object, database: Database) -> list[Lookup]:
    if value is None:
        return []
    if path == "email":
        return [Lookup(EMAIL, email_key(str(value)))]
    declared = database.fields.get(path)
    if declared is None or not declared.unique:
        return []
    try:
        texts = match_value(declared, value)
    except InvalidValue:
        return []  # of a type that the field no longer has
    return [Lookup(FIELD_PREFIX + path, text) for text in texts]
