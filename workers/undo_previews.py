"""Previews of an undo of many imports: what it would do, without a lock or a write.

Whole profiles are worked on, in one snapshot: of several imports of one, each is taken
back as it will be, the latest first (U13).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.domain.batches import Past, apply_import
from ingest.domain.histories import History
from ingest.domain.identities import ImportName
from ingest.domain.imports import Outcome
from ingest.domain.lookups import PROFILE_ID, Lookup, Search
from ingest.domain.undoing import find_merges, list_restored, remember
from ingest.domain.workspace import Workspace
from ingest.store.database import Connection, snapshot
from ingest.store.held import list_databases
from ingest.store.profiles.merges import load_merges
from ingest.store.profiles.workspaces import SearchPlan, read_workspace
from ingest.store.receipts.histories import load_histories
from ingest.store.receipts.undo_pages import (
    FindAll,
    Targets,
    find_all_among,
    read_job,
    read_list,
    read_period,
)
from ingest.store.receipts.undo_targets import (
    JobRange,
    Period,
    find_listed,
    job_range,
    list_held,
)
from ingest.store.rows import Id
from ingest.wire.dry_runs import NotReversed, UndoPreview, UndoPreviewed
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.undo import UndoRequest, UndoTarget, make_undo

#: Targets that are looked at together.
_PAGE = 200


def preview_undo(
    connection: Connection,
    targets: Iterator[UndoTarget],
    find_all: FindAll,
    request: UndoRequest,
    schemas: ProfileSchemas,
) -> Iterator[tuple[UndoTarget, Outcome]]:
    """Yield what would come of the undo of each target, profile by profile.

    Must run in one snapshot (REPEATABLE READ).
    """
    while page := list(islice(targets, _PAGE)):
        together: dict[Id, list[UndoTarget]] = defaultdict(list)
        for target in find_all(page):
            together[target.database_id, target.profile_id].append(target)
        # Of a profile with targets on several pages, the first page does all.
        first = {one.import_id for one in page}
        chosen = {
            owner: found
            for owner, found in together.items()
            if found[0].import_id in first
        }
        yield from _preview(connection, chosen, request, schemas)


def _preview(
    connection: Connection,
    chosen: dict[Id, list[UndoTarget]],
    request: UndoRequest,
    schemas: ProfileSchemas,
) -> Iterator[tuple[UndoTarget, Outcome]]:
    catalog = schemas.catalog
    named = [
        (owner, target.import_id) for owner, found in chosen.items() for target in found
    ]
    histories = load_histories(connection, named)
    targets = {import_id for _, import_id in named}
    merges = load_merges(connection, find_merges(histories.values(), targets))
    wanted = SearchPlan()
    for owner, history in histories.items():
        database_id, profile_id = owner
        search = Search(lookups=(Lookup(PROFILE_ID, profile_id),))
        wanted.add_search(database_id, search)
        database = catalog.databases[database_id]
        for lookup in list_restored(history, database):
            wanted.add_written(database, lookup)
    for merge in merges.values():
        database = catalog.databases[merge.database_id]
        for lookup in list_restored((), database, merge):
            wanted.add_written(database, lookup)
    workspace = read_workspace(connection, catalog, wanted)
    for owner, found in chosen.items():
        told: History = histories.get(owner, ())
        for target in found:
            past = Past(history=told, merge=merges.get(target.import_id))
            outcome, told = _undo(workspace, target, past, request, schemas)
            yield target, outcome


def _undo(
    workspace: Workspace,
    target: UndoTarget,
    past: Past,
    request: UndoRequest,
    schemas: ProfileSchemas,
) -> tuple[Outcome, History]:
    """Take back one target in memory; return the history behind it as well."""
    import_ = make_undo(
        request,
        target,
        ImportName(import_id=uuid7()),
        accepted_at=datetime.now(UTC),
        door="file",
        token_id=None,
    )
    database = schemas.catalog.databases[target.database_id]
    prepared = replace(
        schemas.prepare(import_),
        restored=list_restored(past.history, database, past.merge),
    )
    step = apply_import(workspace, prepared, schemas.catalog, target.profile_id, past)
    return step.outcome, (*past.history, remember(import_, step.outcome))


def find_all_listed(targets: Sequence[UndoTarget]) -> FindAll:
    """Return what finds the targets of profiles in a list."""
    by_owner: dict[Id, list[UndoTarget]] = defaultdict(list)
    for target in targets:
        by_owner[target.database_id, target.profile_id].append(target)

    def find(page: Sequence[UndoTarget]) -> list[UndoTarget]:
        owners = dict.fromkeys((one.database_id, one.profile_id) for one in page)
        return [target for owner in owners for target in by_owner[owner]]

    return find


#: Imports of one preview that somebody waits for.
MOST_PREVIEWED = 10_000
#: Imports that an answer names because they would not be reversed, or not wholly.
_NAMED = 100


def summarize_undo(
    connection: Connection, wanted: UndoPreview, schemas: ProfileSchemas
) -> UndoPreviewed:
    """Return what the undo of many imports would do, in one snapshot (U13).

    Of more than can be awaited, nothing but that.
    """
    request = UndoRequest(reason=wanted.reason, restore_consent=wanted.restore_consent)
    with snapshot(connection):
        targets, find_all, held = _select(connection, wanted)
        first = list(islice(targets(connection), MOST_PREVIEWED + 1))
        if len(first) > MOST_PREVIEWED:
            return UndoPreviewed(is_too_large=True)
        piles: Counter[str] = Counter()
        profiles: set[Id] = set()
        left: list[NotReversed] = []
        for target, outcome in preview_undo(
            connection, iter(first), find_all, request, schemas
        ):
            piles[name_pile(outcome)] += 1
            profiles.add((target.database_id, target.profile_id))
            if (outcome.kept or outcome.faults) and len(left) < _NAMED:
                left.append(
                    NotReversed(
                        undoes=target.import_id,
                        profile_id=target.profile_id,
                        kept=outcome.kept,
                        cannot=outcome.faults,
                    )
                )
    return UndoPreviewed(
        reversed=piles["reversed"],
        partly=piles["partly"],
        kept=piles["kept"],
        cannot=piles["cannot"],
        rejected=held,
        profiles=len(profiles),
        not_reversed=left,
    )


def name_pile(outcome: Outcome) -> str:
    """Return the pile that the undo of one import is counted in (U8)."""
    is_whole = not outcome.kept and not outcome.faults
    if outcome.changes:
        return "reversed" if is_whole else "partly"
    return "cannot" if outcome.faults else "kept"


def _select(
    connection: Connection, wanted: UndoPreview
) -> tuple[Targets, FindAll, int]:
    """Return the imports of a preview, and how many others are held."""
    if wanted.import_ids:
        found = find_listed(connection, wanted.import_ids)
        held = list_databases(connection, wanted.import_ids)
        ids = [target.import_id for target in found]
        return read_list(ids), find_all_listed(found), len(held)
    among: JobRange | Period
    if wanted.job_id is not None:
        among, targets = job_range(wanted.job_id), read_job(wanted.job_id)
    elif wanted.since is not None and wanted.until is not None:
        among = Period(
            token_id=wanted.token_id,
            database_id=wanted.database_id,
            since=wanted.since,
            until=wanted.until,
        )
        targets = read_period(among)
    else:
        raise ValueError("no imports")
    held_now = list_held(connection, among, MOST_PREVIEWED)
    return targets, find_all_among(connection, among), len(held_now)
