"""Former keys: values that find a profile, and that it got by merges only (M6).

Of a merged profile, whatever the survivor did not take over. They are kept as values,
not as keys: keys are made anew when the rules for them move.
"""

from collections.abc import Iterable, Mapping, Sequence, Set

from msgspec.structs import replace

from ingest.domain.catalog import Database
from ingest.domain.documents import json_key
from ingest.domain.lookups import Lookup, own_keys, value_keys
from ingest.domain.profiles import Profile

#: Paths of former keys in changes, such as `former_keys[email]`.
FORMER = "former_keys["

#: Values by path.
FormerKeys = Mapping[str, Sequence[object]]


def name_former(path: str) -> str:
    """Return the path of the former values of `path`."""
    return f"{FORMER}{path}]"


def read_former(path: str) -> str | None:
    """Return whose former values are at `path`; None if it is no such path."""
    if not path.startswith(FORMER):
        return None
    return path.removeprefix(FORMER).removesuffix("]")


def list_values(profile: Profile, database: Database) -> dict[str, list[object]]:
    """Return the values by which `profile` is found, former ones too, by path."""
    values: dict[str, list[object]] = {}
    if profile.email is not None:
        values["email"] = [profile.email]
    if profile.phones:
        values["phones"] = list(profile.phones)
    for field in database.match_fields:
        if field.name in profile.fields:
            values[field.name] = [profile.fields[field.name]]
    for path, former in profile.former_keys.items():
        values.setdefault(path, []).extend(former)
    return values


def keep_former(
    profile: Profile, values: Iterable[FormerKeys], database: Database
) -> Profile:
    """Return `profile` with those of `values` as former that it does not have itself.

    In the place of the former keys that it has.
    """
    own = own_keys(profile, database)
    kept: dict[str, list[object]] = {}
    known: set[object] = set()
    for path, listed in ((path, one) for each in values for path, one in each.items()):
        for value in listed:
            if (path, json_key(value)) in known or _is_own(path, value, own, database):
                continue
            known.add((path, json_key(value)))
            kept.setdefault(path, []).append(value)
    return replace(profile, former_keys=kept)


def drop_regained(profile: Profile, database: Database) -> Profile:
    """Return `profile` without the former keys that are its own again."""
    return keep_former(profile, [profile.former_keys], database)


def _is_own(path: str, value: object, own: Set[Lookup], database: Database) -> bool:
    keys = value_keys(path, value, database)
    # Of a field that is not matched any more nobody knows.
    return bool(keys) and own >= set(keys)


def forget(
    profile: Profile, path: str, value: object, database: Database
) -> Profile | None:
    """Return `profile` without a former value; None if it has no such."""
    keys = set(value_keys(path, value, database))
    listed = profile.former_keys.get(path, ())
    left = [one for one in listed if keys.isdisjoint(value_keys(path, one, database))]
    if len(left) == len(listed):
        return None
    kept = {**profile.former_keys, path: left}
    return replace(
        profile, former_keys={name: values for name, values in kept.items() if values}
    )
