"""Merges of profiles, put into the workspace of a batch, and taken back there."""

from collections.abc import Container, Iterable, Mapping
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.errors import Fault, InvalidRequest, NotFound, ValueTaken
from ingest.domain.former_keys import forget, name_former
from ingest.domain.imports import Import, Kept, Outcome, State
from ingest.domain.limits import ProfileLimits
from ingest.domain.lookups import PROFILE_ID
from ingest.domain.names import one_of
from ingest.domain.paths import list_changes
from ingest.domain.profile_merges import (
    STATUS,
    ChangedAt,
    MergedProfiles,
    Survivor,
    check_rules,
    choose_survivor,
    merge_profiles,
)
from ingest.domain.profiles import Profile, Stamps, name_subscription
from ingest.domain.statuses import rank_prohibition
from ingest.domain.workspace import Alias, Workspace

#: Why a value of a profile that comes back is not with it.
TAKEN = "taken"


class StoredMerge(Struct, frozen=True, kw_only=True):
    """A merge as it is kept, so that it can be taken back."""

    #: The import that merged.
    merge_id: UUID
    database_id: int
    survivor_id: str
    #: The profiles that it ended, as they were.
    absorbed: tuple[Profile, ...]
    #: Former ids of those, and whose they were.
    aliases: Mapping[str, str] = {}
    #: The stamps that the survivor had, where its database keeps times.
    stamps: Stamps | None = None


def apply(
    workspace: Workspace, import_: Import, changed_at: ChangedAt, limits: ProfileLimits
) -> tuple[Outcome, StoredMerge]:
    """Make one profile of those that `import_` names; raise Rejected (M1, M2).

    `changed_at` is needed where a rule asks for the latest value, or the earliest.
    """
    told, database_id = import_.merge, import_.database_id
    if told is None:
        raise ValueError("no merge")
    database = workspace.catalog.databases[database_id]
    profiles = _find(workspace, database_id, told.profiles)
    survivor = _choose(workspace, database_id, profiles, told.survivor)
    rules = {
        path: _resolve_rule(workspace, database_id, rule)
        for path, rule in told.fields.items()
    }
    faults = check_rules(rules, (one.id for one in profiles), database)
    if faults:
        raise InvalidRequest(faults)
    others = [one for one in profiles if one.id != survivor.id]
    made = merge_profiles(survivor, others, rules, database, limits, changed_at)
    merged = list_changes(survivor, made.survivor)
    followed = workspace.follow(survivor, made.survivor, merged)
    changes = list_changes(followed.before, followed.after)
    absorbed = made.absorbed
    workspace.absorb(followed.after, absorbed, import_.import_id, followed.due)
    outcome = Outcome(
        import_id=import_.import_id,
        state=State.UPDATED,
        profile_id=survivor.id,
        matched_by=PROFILE_ID,
        changes=changes,
        operators={
            path: operator
            for path, operator in made.operators.items()
            if path in changes
        },
        profiles=tuple(one.id for one in made.absorbed),
        kept=made.kept,
    )
    return outcome, make_stored(import_, survivor, made)


def make_stored(import_: Import, before: Profile, made: MergedProfiles) -> StoredMerge:
    """Return what is kept of a merge into the profile that was `before`."""
    return StoredMerge(
        merge_id=import_.import_id,
        database_id=import_.database_id,
        survivor_id=made.survivor.id,
        absorbed=made.absorbed,
        stamps=before.stamps,
    )


def _find(workspace: Workspace, database_id: int, ids: Iterable[str]) -> list[Profile]:
    """Return the profiles of `ids`, each once; raise Rejected."""
    found: dict[str, Profile] = {}
    faults = []
    for index, id_ in enumerate(ids):
        profile = workspace.resolve(database_id, id_)
        if profile is None:
            path = f"profiles[{index}]"
            faults.append(Fault(code=404, message="Profile not found", path=path))
        else:
            found[profile.id] = profile
    if faults:
        raise NotFound(faults)
    if len(found) < 2:
        (only,) = found
        raise InvalidRequest(f"These are one profile already ({only})", "profiles")
    return list(found.values())


def _choose(
    workspace: Workspace, database_id: int, profiles: list[Profile], survivor: str
) -> Profile:
    resolved = workspace.resolve(database_id, survivor)
    chosen = choose_survivor(profiles, resolved.id if resolved else survivor)
    if chosen is None:
        allowed = one_of([*Survivor, "the ID of one of the profiles"])
        raise InvalidRequest(f"Unknown survivor{allowed}", "survivor")
    return chosen


def _resolve_rule(workspace: Workspace, database_id: int, rule: str) -> str:
    """Return a rule; of the former id of a profile, the one that it has."""
    profile = workspace.resolve(database_id, rule)
    return profile.id if profile else rule


def forget_key(workspace: Workspace, import_: Import) -> Outcome:
    """Remove the former key that `import_` names; raise NotFound for none (M6)."""
    former, database_id = import_.forget, import_.database_id
    if former is None:
        raise ValueError("no former key")
    profile = workspace.resolve(database_id, import_.key.profile_id or "")
    if profile is None:
        raise NotFound("No matching profile")
    database = workspace.catalog.databases[database_id]
    after = forget(profile, former.path, former.value, database)
    if after is None:
        raise NotFound("The profile has no such former key", name_former(former.path))
    workspace.put(after)
    return Outcome(
        import_id=import_.import_id,
        state=State.UPDATED,
        profile_id=profile.id,
        matched_by=PROFILE_ID,
        changes=list_changes(profile, after),
    )


def part(
    workspace: Workspace,
    merge: StoredMerge,
    together: Profile,
    touched: Container[str],
) -> tuple[Kept, ...]:
    """Bring back the profiles that a merge ended; return what stays away (X2 to X5).

    The survivor has been put as it is without them, and `together` is what it was until
    then: what it forbids at the paths that are `touched` is forbidden to all.
    """
    for alias_id, profile_id in merge.aliases.items():
        alias = Alias(profile_id, None)
        workspace.aliases[merge.database_id, alias_id] = alias
    kept: list[Kept] = []
    for absorbed in merge.absorbed:
        workspace.aliases.pop((merge.database_id, absorbed.id), None)
        kept += _bring_back(workspace, _forbid(absorbed, together, touched))
    return tuple(kept)


def _bring_back(workspace: Workspace, profile: Profile) -> list[Kept]:
    """Put a profile without what others have that one alone may; return that."""
    try:
        _put_back(workspace, profile)
    except ValueTaken as error:
        paths = {fault.path.removeprefix("data.") for fault in error.faults}
    else:
        return []
    former = {
        path: values
        for path, values in profile.former_keys.items()
        if path not in paths
    }
    fields = {
        name: value for name, value in profile.fields.items() if name not in paths
    }
    email = None if "email" in paths else profile.email
    _put_back(
        workspace, replace(profile, email=email, fields=fields, former_keys=former)
    )
    named = (f"profiles[{profile.id}].{path}" for path in sorted(paths))
    return [Kept(path=path, reason=TAKEN) for path in named]


def _put_back(workspace: Workspace, profile: Profile) -> None:
    """Put a profile that was gone: where it belongs now, whatever it did then."""
    followed = workspace.follow(None, profile, list_changes(None, profile))
    workspace.put(followed.after, followed.due)


def list_statuses(profile: Profile) -> list[str]:
    """Return the paths where `profile` has a status."""
    return [STATUS, *map(name_subscription, profile.subscriptions)]


def _forbid(profile: Profile, together: Profile, touched: Container[str]) -> Profile:
    """Return a profile that allows no more than the merged one did (X4, U5)."""
    subscriptions = dict(profile.subscriptions)
    for key, one in subscriptions.items():
        since = together.subscriptions.get(key)
        if since is None or name_subscription(key) not in touched:
            continue
        if rank_prohibition(since.status) > rank_prohibition(one.status):
            subscriptions[key] = replace(
                one,
                status=since.status,
                status_at=since.status_at,
                status_by=since.status_by,
                consent=since.consent,
                updated_at=None,
            )
    fields = dict(profile.fields)
    now, then = together.fields.get(STATUS), fields.get(STATUS)
    if STATUS in touched and rank_prohibition(now) > rank_prohibition(then):
        fields[STATUS] = now
    return replace(profile, subscriptions=subscriptions, fields=fields)
