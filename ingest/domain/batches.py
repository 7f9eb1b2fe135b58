"""One import after another, applied to a workspace: the pipeline's pure heart."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from ingest.domain import events, fields, merge, merging, undoing
from ingest.domain.assertions import Claims, list_claims, list_operators
from ingest.domain.automatic_merges import (
    TOO_LARGE,
    AbsorbedCounts,
    AutomaticMerge,
    Candidates,
    explain_obstacle,
    find_obstacle,
    unite,
)
from ingest.domain.candidates import (
    choose,
    explain_hold,
    find_policy,
    is_held,
    list_candidates,
)
from ingest.domain.catalog import Catalog, Database
from ingest.domain.confirmation_requests import (
    Confirmation,
    LastRequest,
    SubscriptionAddress,
)
from ingest.domain.confirmations import (
    find_confirmed,
    issue,
    read_key,
    take_step,
)
from ingest.domain.consent_history import (
    PastStatus,
    ProfileChange,
    date_statuses,
    list_past,
    list_unapplied,
)
from ingest.domain.contacts import email_key, phone_key
from ingest.domain.drafts import Draft
from ingest.domain.dynamic_segments import Due
from ingest.domain.errors import (
    AmbiguousMatch,
    Conflict,
    Fault,
    InvalidRequest,
    InvalidValue,
    NotFound,
    Rejected,
    ValueTaken,
)
from ingest.domain.events import Event
from ingest.domain.histories import SEGMENTS, History
from ingest.domain.imports import (
    Candidate,
    ConfirmationAction,
    Import,
    Kept,
    Matching,
    OnAmbiguous,
    Operation,
    Outcome,
    State,
)
from ingest.domain.limits import shorten
from ingest.domain.lookups import (
    EMAIL,
    FIELD_PREFIX,
    NO_SEARCH,
    PHONE,
    PROFILE_ID,
    SUBSCRIPTION_KINDS,
    Lookup,
    Search,
)
from ingest.domain.merge import Merged
from ingest.domain.merging import StoredMerge
from ingest.domain.precedence import Dated, leave_older
from ingest.domain.profile_merges import ChangedAt
from ingest.domain.profiles import Profile, Stamps
from ingest.domain.releases import WrittenPaths, drop_newer, list_newer
from ingest.domain.stamps import NO_STAMPS, advance, show_paths
from ingest.domain.suppressions import (
    ListedContact,
    SuppressionCheck,
    follow,
    lock_lookup,
)
from ingest.domain.updates import Action
from ingest.domain.workspace import Workspace, holds_any


class Prepared(Struct, frozen=True, kw_only=True):
    """An import whose values have been read; nothing has been looked up yet."""

    import_: Import
    search: Search = NO_SEARCH
    draft: Draft = field(default_factory=Draft)
    #: Why it can never succeed; empty when it may.
    faults: tuple[Fault, ...] = ()
    #: What is doubtful about it, for its receipt.
    warnings: tuple[Fault, ...] = ()
    #: What an undo may bring back: locked, and looked up, like what others bring.
    restored: tuple[Lookup, ...] = ()
    #: When its stream took it, by the one clock of that; None: when it was accepted.
    queued_at: datetime | None = None


class AppliedImport(Struct, frozen=True, kw_only=True):
    """One import applied: what came of it, and what it caused."""

    outcome: Outcome
    #: For the triggers that listen, in the order to deliver (contract 14, point 56).
    events: tuple[Event, ...] = ()
    #: What a merge is kept by, so that it can be undone; it was, if there is `undoes`.
    merge: StoredMerge | None = None
    #: Statuses for the record, where that is kept.
    past_statuses: tuple[PastStatus, ...] = ()
    #: Contacts of suppression lists whose subscriptions are to be lowered.
    listed: tuple[ListedContact, ...] = ()
    #: What people are asked because of it, and what one has confirmed by it (DO).
    confirmations: tuple[Confirmation, ...] = ()
    confirmed: UUID | None = None


class Past(Struct, frozen=True, kw_only=True):
    """The past of the profiles of an import, as far as it needs it; most do not."""

    #: Of an undo, the history of its profile.
    history: History = ()
    #: Of the undo of a merge, what that kept.
    merge: StoredMerge | None = None
    #: Of a merge, when values changed.
    changed_at: ChangedAt = {}
    #: How many profiles others have taken over lately, by id, where that matters.
    absorbed: AbsorbedCounts = {}
    #: Of imports that were held, what was written to each profile, by its id.
    written: Mapping[str, Sequence[WrittenPaths]] = {}
    #: Who is on suppression lists; None where there are none.
    suppression: SuppressionCheck | None = None
    #: What people were asked last, where they are to be asked again.
    asked: dict[SubscriptionAddress, LastRequest] = {}


NO_PAST = Past()


def written_keys(prepared: Prepared, catalog: Catalog) -> Iterable[Lookup]:
    """Return the keys that the draft's profile will be found by afterwards.

    They are locked (who else brings it?), and the exclusive ones are looked up (is it
    taken?).
    What a function will compute is not among them; the unique index is the judge.
    """
    yield from prepared.restored
    draft = prepared.draft
    if draft.email is not None:
        yield Lookup(EMAIL, email_key(draft.email))
    if draft.phones is not None and isinstance(draft.phones.value, list):
        yield from (Lookup(PHONE, phone_key(one)) for one in draft.phones.value)
    for subscription in draft.subscriptions:
        kind = SUBSCRIPTION_KINDS.get(subscription.key.channel)
        if kind is not None:
            yield Lookup(kind, subscription.key.contact)
        elif catalog.suppression is not None:
            yield lock_lookup(subscription.key)
    if draft.change is not None:
        yield from draft.change.lookups
    yield from _written_fields(draft, catalog.databases[prepared.import_.database_id])


def _written_fields(draft: Draft, database: Database) -> Iterable[Lookup]:
    for declared in database.match_fields:
        update = draft.fields.get(declared.name)
        if update is not None and update.action in (Action.SET, Action.ADD):
            try:
                values = fields.match_value(declared, update.value)
            except InvalidValue:
                continue  # cleared: a None has no text to be found by
            kind = FIELD_PREFIX + declared.name
            yield from (Lookup(kind, value) for value in values)


def apply_import(
    workspace: Workspace,
    prepared: Prepared,
    catalog: Catalog,
    new_id: str,
    past: Past = NO_PAST,
) -> AppliedImport:
    """Apply one import to `workspace` and return what came of it.

    A rejected import leaves the workspace as it was. `new_id` is the id of the
    profile, should one be created.
    """
    import_ = prepared.import_
    if prepared.faults:
        return AppliedImport(
            outcome=reject(import_, prepared.faults, prepared.warnings)
        )
    workspace.touched.clear()
    try:
        step = _operate(workspace, prepared, catalog, new_id, past)
        return _follow_lists(workspace, prepared, step, past.suppression)
    except (AmbiguousMatch, ValueTaken) as error:
        database = catalog.databases[import_.database_id]
        if isinstance(error, AmbiguousMatch) and is_held(import_, database):
            return AppliedImport(outcome=_hold(prepared, error, database))
        outcome = reject(import_, error.faults, prepared.warnings)
        region, taken = database.phone_region, isinstance(error, ValueTaken)
        named = list_candidates(error.held, import_, region, taken=taken)
        return AppliedImport(outcome=replace(outcome, candidates=named))
    except Rejected as error:
        return AppliedImport(outcome=reject(import_, error.faults, prepared.warnings))


def _date_statuses(
    workspace: Workspace, import_: Import, step: AppliedImport
) -> AppliedImport:
    """Date what an import did to statuses that it did not send (C6).

    Return it with what it ended.
    """
    pairs = []
    for address, before in workspace.touched.items():
        after = workspace.current.get(address)
        if after is not None:
            dated = date_statuses(before, after, import_)
            if dated is not after:
                workspace.replace_touched(dated)
            after = dated
        pairs.append((before, after))
    return _record_past(pairs, import_, workspace.catalog, step)


def _record_past(
    pairs: Iterable[ProfileChange],
    import_: Import,
    catalog: Catalog,
    step: AppliedImport,
) -> AppliedImport:
    """Return what an import did with the statuses that it ended, where these are kept.

    `pairs` are the profiles that it changed, before and after it.
    """
    if not catalog.records_statuses:
        return step
    past = tuple(list_past(pairs, import_, catalog))
    return replace(step, past_statuses=step.past_statuses + past) if past else step


def _follow_lists(
    workspace: Workspace,
    prepared: Prepared,
    step: AppliedImport,
    suppression: SuppressionCheck | None,
) -> AppliedImport:
    """Return what an import did with what suppression lists make of it (L4, L5)."""
    if suppression is None:
        return step
    pairs = [
        (before, workspace.current.get(address))
        for address, before in workspace.touched.items()
    ]
    kept = step.outcome.kept
    listed = tuple(follow(pairs, prepared.import_, kept, suppression))
    suppression.note(listed)
    return replace(step, listed=listed) if listed else step


def _hold(prepared: Prepared, error: AmbiguousMatch, database: Database) -> Outcome:
    """Return the outcome of an import that waits for an operator (H1)."""
    import_ = prepared.import_
    why = explain_hold(find_policy(import_, database), error)
    return Outcome(
        import_id=import_.import_id,
        state=State.HELD,
        warnings=(*prepared.warnings, *why),
        candidates=list_candidates(error.held, import_, database.phone_region),
    )


def _operate(
    workspace: Workspace, prepared: Prepared, catalog: Catalog, new_id: str, past: Past
) -> AppliedImport:
    import_ = prepared.import_
    if import_.undo is not None:
        step = _undo(workspace, prepared, catalog, past)
        return _date_statuses(workspace, import_, step)
    if import_.merge is not None:
        step = _merge(workspace, prepared, catalog, past)
        return _date_statuses(workspace, import_, step)
    if import_.forget is not None:
        return AppliedImport(outcome=merging.forget_key(workspace, import_))
    if import_.release is not None and import_.release.rejection:
        raise Conflict(import_.release.rejection)
    return _apply(workspace, prepared, catalog, new_id, past)


def _undo(
    workspace: Workspace, prepared: Prepared, catalog: Catalog, past: Past
) -> AppliedImport:
    import_, restored = prepared.import_, prepared.restored
    outcome = undoing.apply(workspace, import_, past.history, restored, past.merge)
    told = events.derive_undo(
        outcome, import_, catalog, _find_after(workspace, outcome, import_)
    )
    merge = past.merge if outcome.profiles else None
    return AppliedImport(outcome=outcome, events=tuple(told), merge=merge)


def _merge(
    workspace: Workspace, prepared: Prepared, catalog: Catalog, past: Past
) -> AppliedImport:
    import_ = prepared.import_
    outcome, merge = merging.apply(workspace, import_, past.changed_at, catalog.limits)
    told = events.derive_merge(
        outcome, import_, catalog, _find_after(workspace, outcome, import_)
    )
    return AppliedImport(outcome=outcome, events=tuple(told), merge=merge)


def _find_after(
    workspace: Workspace, outcome: Outcome, import_: Import
) -> Profile | None:
    """Return the profile of an outcome as it is now; None if it is gone."""
    address = (import_.database_id, outcome.profile_id or "")
    return workspace.current.get(address)


def reject(
    import_: Import, faults: tuple[Fault, ...], warnings: tuple[Fault, ...] = ()
) -> Outcome:
    """Return the outcome of an import that cannot be applied."""
    return Outcome(
        import_id=import_.import_id,
        state=State.REJECTED,
        faults=shorten(faults),
        warnings=warnings,
    )


def _apply(
    workspace: Workspace, prepared: Prepared, catalog: Catalog, new_id: str, past: Past
) -> AppliedImport:
    found = _find(workspace, prepared, past)
    before, union = found.profile, found.union
    dated = _leave_newer(prepared, before, catalog, past)
    if dated.import_.confirmation is not None:
        moment = workspace.now.at
        dated = take_step(before, dated, past.asked, moment, catalog)
    import_ = dated.import_
    merged = _lay_over(
        before, dated, prepared.search, catalog, new_id, past.suppression
    )
    if merged.guard.unconfirmed or import_.confirmation is not None:
        merged = _ask(workspace, merged, import_, past)
    due: Due = {}
    if import_.database_id in catalog.dynamic:
        before, merged, due = _follow(workspace, before, merged, union)
    if union is not None:
        absorbed = union.made.absorbed
        workspace.absorb(merged.profile, absorbed, import_.import_id, due)
    elif merged.profile is not found.profile:
        workspace.put(merged.profile, due)
    step = _describe(workspace, found, before, merged, dated, prepared.warnings)
    if union is not None or prepared.draft.change is not None:
        return _date_statuses(workspace, import_, step)
    # Its guard has judged, and dated, what else it did to statuses that were stored.
    if merged.guard.has_ruled:
        return _record_past([(before, merged.profile)], import_, catalog, step)
    return step


def _describe(
    workspace: Workspace,
    found: "_Found",
    before: Profile | None,
    merged: Merged,
    dated: Dated,
    warnings: tuple[Fault, ...],
) -> AppliedImport:
    """Return what came of an import that was laid over what was `found`."""
    import_, union, guard = dated.import_, found.union, merged.guard
    catalog = workspace.catalog
    state = State.CREATED
    if found.profile is not None:
        state = State.UPDATED if merged.changes or union else State.UNCHANGED
    claims: Claims = {}
    if catalog.databases[import_.database_id].claims:
        claims = list_claims(before, import_, dated.draft, merged.changes)
    unapplied: tuple[PastStatus, ...] = ()
    if guard.unapplied:
        late = list_unapplied(guard.unapplied, merged.profile, import_, catalog)
        unapplied = tuple(late)
    outcome = Outcome(
        import_id=import_.import_id,
        state=state,
        profile_id=merged.profile.id,
        # The profile is saved; only its trigger could not be started (14, point 72).
        faults=events.start_faults(import_, catalog),
        matched_by=found.matched_by,
        changes=merged.changes,
        skipped=merged.skipped,
        warnings=warnings,
        candidates=found.candidates,
        operators=list_operators(dated.draft, merged.changes, claims),
        claims=claims,
        kept=(*dated.kept, *guard.kept) if guard.kept else dated.kept,
        raised=tuple(guard.raised),
    )
    merge = union.describe() if union else None
    caused = events.derive(before, merged, import_, catalog, workspace.now, merge)
    return AppliedImport(
        outcome=union.join(outcome, merged.profile) if union else outcome,
        events=caused,
        merge=union.stored if union else None,
        past_statuses=unapplied,
        confirmations=merged.confirmations,
        confirmed=find_confirmed(import_),
    )


def _ask(workspace: Workspace, merged: Merged, import_: Import, past: Past) -> Merged:
    """Return a merged profile with what people are asked because of it (D2, D3)."""
    keys, step = merged.guard.unconfirmed, import_.confirmation
    if step is not None and step.action is ConfirmationAction.REQUEST:
        keys = [read_key(step)]
    if not keys:
        return merged
    catalog, now = workspace.catalog, workspace.now.at
    asked = issue(keys, merged.profile, import_, catalog, past.asked, now)
    return replace(merged, confirmations=asked)


def _follow(
    workspace: Workspace,
    before: Profile | None,
    merged: Merged,
    union: AutomaticMerge | None,
) -> tuple[Profile | None, Merged, Due]:
    """Return a profile before and after an import, in dynamic segments (G1).

    Of a merge, `before` is what that made of several: they are in those of the one that
    is left.
    """
    dynamic = workspace.catalog.dynamic.get(merged.profile.database_id)
    if dynamic is None or not (merged.changes or union):
        return before, merged, {}
    if union is None or before is None:
        followed = dynamic.follow(before, merged.profile, merged.changes, workspace.now)
        before = followed.before
    else:
        paths = union.list_paths(merged.profile)
        followed = dynamic.follow(union.before, merged.profile, paths, workspace.now)
        own = (followed.before or union.before).segments & dynamic.ids
        before = replace(before, segments=(before.segments - dynamic.ids) | own)
    if followed.before is before and followed.after is merged.profile:
        return before, merged, followed.due
    old = frozenset[int]() if before is None else before.segments
    changes = {path: one for path, one in merged.changes.items() if path != SEGMENTS}
    if old != followed.after.segments:
        changes[SEGMENTS] = (sorted(old), sorted(followed.after.segments))
    merged = replace(merged, profile=followed.after, changes=changes)
    return before, merged, followed.due


def _leave_newer(
    prepared: Prepared, before: Profile | None, catalog: Catalog, past: Past
) -> Dated:
    """Return what is applied of an import: less, if it was held (H5) or is dated."""
    import_, draft, kept = prepared.import_, prepared.draft, tuple[Kept, ...]()
    if import_.release is not None and before is not None:
        written = past.written.get(before.id, ())
        draft, kept = drop_newer(draft, list_newer(written, import_.accepted_at))
    if not catalog.databases[import_.database_id].times:
        return Dated(import_=import_, draft=draft, kept=kept)
    moment = prepared.queued_at or import_.accepted_at
    dated = leave_older(before, import_, draft, moment, catalog)
    return replace(dated, kept=kept + dated.kept) if kept else dated


def _lay_over(
    before: Profile | None,
    dated: Dated,
    search: Search,
    catalog: Catalog,
    new_id: str,
    suppression: SuppressionCheck | None,
) -> Merged:
    """Return the profile after an import; raise if there can be none."""
    import_, draft = dated.import_, dated.draft
    if before is None:
        _refuse_create(import_)
        merged = merge.create(new_id, import_, draft, search, catalog, suppression)
        if import_.matching in _SUBSCRIPTION_MODES:
            _refuse_lost(import_, search, merged.profile)
    else:
        merged = merge.update(before, import_, draft, catalog, suppression)
    if dated.stamp is None:
        return merged
    skipped = {fault.path for fault in merged.skipped}
    guarded = {one.path for one in merged.guard.kept}
    written = {
        path: stamp
        for path, stamp in dated.written.items()
        if f"data.{path}" not in skipped and path not in guarded
    }
    stamps = before.stamps if before else _date_new(dated, merged.profile)
    after = advance(stamps or NO_STAMPS, merged.profile, written)
    if after == merged.profile.stamps:
        return merged
    return replace(merged, profile=replace(merged.profile, stamps=after))


def _date_new(dated: Dated, profile: Profile) -> Stamps:
    """Return the stamps of a new profile: what it is found by came with its import."""
    there = show_paths(profile) if dated.own_stamps else ()
    paths = {path: one for path, one in dated.own_stamps.items() if path in there}
    return Stamps(default=dated.stamp, paths=paths)


class _Found(Struct, frozen=True, kw_only=True):
    """The profile of an import."""

    #: None if there is none; of several that become one, that one.
    profile: Profile | None = None
    matched_by: str | None = None
    #: The profiles that matched, if there were several.
    candidates: tuple[Candidate, ...] = ()
    union: AutomaticMerge | None = None


def _find(workspace: Workspace, prepared: Prepared, past: Past) -> _Found:
    """Return the profile of an import, by what it was found, and who else matched.

    Raises AmbiguousMatch if several match and the policy does not decide (A1).
    """
    import_, search = prepared.import_, prepared.search
    try:
        found = workspace.find(import_.database_id, search)
    except AmbiguousMatch as error:
        database = workspace.catalog.databases[import_.database_id]
        policy = find_policy(import_, database)
        named = list_candidates(error.held, import_, database.phone_region)
        if policy is OnAmbiguous.MERGE:
            union = _unite(workspace, import_, error, past)
            return _Found(
                profile=union.made.survivor,
                matched_by=error.held[union.before.id][0].kind,
                candidates=named,
                union=union,
            )
        chosen = choose(policy, search, error.held)
        if chosen is None:
            raise
        profile_id, kind = chosen
        if not workspace.reads.reach(policy, database.id, search, profile_id):
            raise
        profile = workspace.current[import_.database_id, profile_id]
        return _Found(profile=profile, matched_by=kind, candidates=named)
    return _Found(profile=found[0], matched_by=found[1]) if found else _Found()


def _unite(
    workspace: Workspace, import_: Import, error: AmbiguousMatch, past: Past
) -> AutomaticMerge:
    """Return the merge of those that match; raise AmbiguousMatch if it may not be."""
    database = workspace.catalog.databases[import_.database_id]
    profiles = [workspace.current[database.id, id_] for id_ in error.held]
    found = Candidates(profiles, error.held)
    absorbed = sum(
        past.absorbed.get(id_, 0) + workspace.absorbed[database.id, id_]
        for id_ in error.held
    )
    obstacle = find_obstacle(found, database, absorbed)
    if obstacle is None:
        try:
            return unite(found, import_, database, workspace.catalog.limits)
        except InvalidRequest:
            obstacle = TOO_LARGE
    refused = AmbiguousMatch(explain_obstacle(str(error), obstacle))
    refused.held, refused.obstacle = error.held, obstacle
    raise refused from error


#: Modes that find a profile by its subscriptions only, and the key that each names.
_SUBSCRIPTION_MODES: Mapping[Matching, str] = {
    Matching.EMAIL_SUB: "email",
    Matching.PHONE_SUB: "phone",
    Matching.PUSH_SUB: "subscription_id",
    Matching.CUSTOM_SUB: "field_value",
    Matching.EMAIL_PHONE_SUB: "email",
}


def _refuse_lost(import_: Import, search: Search, profile: Profile) -> None:
    """Refuse a profile that its own key would not find again (contract 16.4).

    Each repeat would make one more; a key alone subscribes nobody.
    """
    if import_.operation is Operation.ADD or holds_any(profile, search):
        return
    key = _SUBSCRIPTION_MODES[import_.matching]
    if import_.matching is Matching.EMAIL_PHONE_SUB:
        kinds = {lookup.kind for lookup in search.lookups}
        key = "email" if "email_sub" in kinds else "phone"
    raise InvalidRequest(
        "The new profile could not be found by this key again"
        " (add the subscription to data)",
        key,
    )


def _refuse_create(import_: Import) -> None:
    """Raise NotFound where no match means no profile (contract 3.2)."""
    if import_.operation is Operation.UPDATE:
        raise NotFound("No matching profile")
    if import_.operation is Operation.IMPORT and (
        import_.matching is Matching.PROFILE_ID
    ):
        raise NotFound("Profile not found", PROFILE_ID)
