"""Undo: the reversal of an import, put into the profiles that a batch works on."""

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from uuid import UUID

from msgspec.structs import replace

from ingest.domain import histories, merging
from ingest.domain.catalog import Catalog, Database
from ingest.domain.errors import AlreadyUndone, Fault, Gone, MergedSince
from ingest.domain.former_keys import read_former
from ingest.domain.histories import History, PastImport
from ingest.domain.imports import Import, Outcome, State, Undo
from ingest.domain.lookups import (
    FIELD_PREFIX,
    PROFILE_ID,
    Lookup,
    is_exclusive,
    search_keys,
    value_keys,
)
from ingest.domain.merge import Changes
from ingest.domain.merging import StoredMerge
from ingest.domain.paths import list_changes, write
from ingest.domain.profiles import Profile, Stamp
from ingest.domain.reversals import CHANGED_SINCE, Reversal, take_back
from ingest.domain.stamps import NO_STAMPS, restamp, to_microseconds
from ingest.domain.workspace import Workspace


def apply(
    workspace: Workspace,
    import_: Import,
    history: History,
    restored: Collection[Lookup],
    merge: StoredMerge | None = None,
) -> Outcome:
    """Take back in `workspace` what the undo `import_` names.

    `restored` are the unique values that may come back, which are locked. Of a merge,
    `merge` is what it kept. Raises what `take_back` does but AlreadyUndone: to undo
    twice is to have undone; and MergedSince.
    """
    undo, database_id = import_.undo, import_.database_id
    if undo is None:
        raise ValueError("not an undo")
    profile_id = import_.key.profile_id or ""
    profile = workspace.current.get((database_id, profile_id))
    if profile is None:
        _refuse_merged(workspace, database_id, profile_id)
    matched_by = None if profile is None else PROFILE_ID
    database = workspace.catalog.databases[database_id]
    named, told = _leave_out_dynamic(workspace, database_id, profile, history)
    try:
        reversal = take_back(named, told, undo, database)
    except AlreadyUndone as error:
        return Outcome(
            import_id=import_.import_id,
            state=State.UNCHANGED,
            profile_id=profile_id,
            matched_by=matched_by,
            warnings=(Fault(code=0, message=str(error)),),
        )
    since = _check_merge(history, undo, merge)
    before = profile or Profile(id=profile_id, database_id=database_id)
    date = partial(_date, before, import_, database, merge)
    after, faults = _store(workspace, before, reversal, restored, date)
    changes = list_changes(profile, after)
    outcome = Outcome(
        import_id=import_.import_id,
        state=_find_state(profile, after, changes),
        profile_id=profile_id,
        matched_by=matched_by,
        changes=changes,
        kept=reversal.kept,
        faults=faults,
        undoes=undo.import_id,
    )
    if since is None or merge is None:
        return outcome
    # All that the merged profile forbids stays forbidden, unless consent is restored:
    # then what was forbidden since.
    touched = {path for past in since for path in histories.list_paths(past)}
    everything = merging.list_statuses(before)
    paths = touched if undo.restore_consent else everything
    return replace(
        outcome,
        state=State.UPDATED,
        kept=(*outcome.kept, *merging.part(workspace, merge, before, paths)),
        profiles=tuple(one.id for one in merge.absorbed),
        warnings=_warn_of_imports(since),
    )


def _leave_out_dynamic(
    workspace: Workspace, database_id: int, profile: Profile | None, history: History
) -> tuple[Profile | None, History]:
    """Return a profile and its history without its places in dynamic segments.

    No import named those: they follow from what the profile has.
    """
    dynamic = workspace.catalog.dynamic.get(database_id)
    if dynamic is None:
        return profile, history
    told = [histories.leave_out(past, dynamic.ids) for past in history]
    if profile is None:
        return None, told
    return replace(profile, segments=profile.segments - dynamic.ids), told


def _refuse_merged(workspace: Workspace, database_id: int, profile_id: str) -> None:
    """Raise MergedSince if the profile is part of another now (U11)."""
    alias = workspace.aliases.get((database_id, profile_id))
    if alias is not None:
        named = alias.merge_id or f"into {alias.profile_id}"
        raise MergedSince(f"The profile was merged: undo the merge {named} first")


def _check_merge(
    history: History, undo: Undo, merge: StoredMerge | None
) -> list[PastImport] | None:
    """Return the imports since the merge that is to be undone; None if it is none.

    Raises MergedSince unless it is the last of its profile (X1), and Gone if what it
    ended is no longer known (M10), or if it is the undo of one.
    """
    target = next(one for one in history if one.import_id == undo.import_id)
    if not target.profiles:
        return None
    if target.undoes is not None:
        raise Gone("The undo of a merge cannot be undone (merge the profiles again)")
    undone = histories.find_undone(history)
    later = list(histories.iterate_later(history, target.import_id, undone))
    merges = [one.import_id for one in later if one.profiles]
    if merges:
        raise MergedSince(f"The profile was merged: undo the merge {merges[-1]} first")
    if merge is None:
        raise Gone("The receipt is no longer kept")
    return later


def _warn_of_imports(since: list[PastImport]) -> tuple[Fault, ...]:
    """Say how many imports stay with the survivor, for nobody knows whose they are."""
    if not since:
        return ()
    message = f"The imports since the merge stay with this profile ({len(since)})"
    return (Fault(code=0, message=message),)


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
    date: Callable[[Profile], Profile],
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
        is_new = (before.database_id, before.id) not in workspace.current
        changes = list_changes(before, after)
        followed = workspace.follow(None if is_new else before, date(after), changes)
        workspace.put(followed.after, followed.due)
        return followed.after, tuple(faults)
    return before, tuple(faults)


def _date(
    before: Profile,
    import_: Import,
    database: Database,
    merge: StoredMerge | None,
    after: Profile,
) -> Profile:
    """Date what an undo has changed (T13): from now on, but for what a merge kept.

    By no source, so that what is of a rank and came before it still counts.
    """
    if not database.times:
        return after
    stamp = Stamp(rank=0, at=to_microseconds(import_.accepted_at))
    known = (merge.stamps or NO_STAMPS) if merge else None
    return replace(after, stamps=restamp(before, after, stamp, known))


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
        profiles=outcome.profiles,
    )


def find_merges(known: Iterable[History], targets: Collection[UUID]) -> set[UUID]:
    """Return those of `targets` that merged profiles, as the histories tell."""
    return {
        past.import_id
        for history in known
        for past in history
        if past.profiles and past.import_id in targets
    }


def list_restored(
    history: History, database: Database, merge: StoredMerge | None = None
) -> tuple[Lookup, ...]:
    """Return the unique values that a profile of this history ever had.

    And those of the profiles that `merge` ended.
    """
    found: dict[Lookup, None] = {}
    for profile in merge.absorbed if merge else ():
        found |= dict.fromkeys(
            key for key in search_keys(profile, database) if is_exclusive(database, key)
        )
    for past in history:
        for path, values in past.changes.items():
            for value in values:
                found |= dict.fromkeys(_list_unique(path, value, database))
    return tuple(found)


def _list_unique(path: str, value: object, database: Database) -> list[Lookup]:
    if value is None or path == "phones":
        return []
    former = read_former(path)
    if former is not None:
        listed = histories.list_of(value)
        return [key for one in listed for key in _list_unique(former, one, database)]
    keys = value_keys(path, value, database)
    return [key for key in keys if is_exclusive(database, key)]
