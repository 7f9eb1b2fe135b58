"""Candidates: the profiles that an ambiguous or conflicting import names (A2, A8).

By the paths of the request that lead to each, and never by the values there.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from msgspec import Struct

from ingest.domain.catalog import Database
from ingest.domain.contacts import normalize_phone, phone_key
from ingest.domain.errors import AmbiguousMatch, Fault, InvalidValue
from ingest.domain.imports import (
    Candidate,
    CandidateKey,
    Import,
    OnAmbiguous,
    Otherwise,
)
from ingest.domain.lookups import (
    CANDIDATES,
    EMAIL,
    FIELD_PREFIX,
    FIELD_SCAN,
    PHONE,
    PROFILE_ID,
    SUBSCRIPTION_SCAN,
    Lookup,
    Search,
)
from ingest.domain.matching_keys import plain

#: Where each kind of key is sent at top level.
_TOP: Mapping[str, str] = {
    EMAIL: "email",
    "email_sub": "email",
    PHONE: "phone",
    "phone_sub": "phone",
    "push_sub": "subscription_id",
    PROFILE_ID: "profile_id",
}
_SCANS = (FIELD_SCAN, SUBSCRIPTION_SCAN)


def choose(
    policy: OnAmbiguous, search: Search, held: Mapping[str, Sequence[Lookup]]
) -> tuple[str, str] | None:
    """Return the profile that a policy chooses, and the kind of key that finds it.

    None if the policy does not decide (A1). `held` is each candidate's keys, in the
    order of the search.
    """
    if policy is OnAmbiguous.FIRST and not search.every:
        return _choose_first(search, held)
    if policy in (OnAmbiguous.OLDEST, OnAmbiguous.NEWEST):
        return _choose_by_age(policy, search, held)
    return None


def find_policy(import_: Import, database: Database) -> OnAmbiguous:
    """Return what becomes of an import that several profiles match (A1)."""
    return import_.on_ambiguous or database.on_ambiguous


def is_held(import_: Import, database: Database) -> bool:
    """Tell whether an import waits that several profiles match (A1, H1).

    Its policy chose none, or says so itself.
    """
    policy = find_policy(import_, database)
    if policy in (OnAmbiguous.REJECT, OnAmbiguous.HOLD):
        return policy is OnAmbiguous.HOLD
    return (import_.otherwise or database.otherwise) is Otherwise.HOLD


def explain_hold(policy: OnAmbiguous, error: AmbiguousMatch) -> tuple[Fault, ...]:
    """Return the warning of a held import: why its policy did not decide (M11)."""
    if policy is OnAmbiguous.HOLD:
        return ()
    why = f" ({error.obstacle})" if error.obstacle else ""
    return (Fault(code=0, message=f"Not decided by the policy {policy}{why}"),)


def _choose_by_age(
    policy: OnAmbiguous, search: Search, held: Mapping[str, Sequence[Lookup]]
) -> tuple[str, str] | None:
    """Choose the lowest id or the highest, for ids sort by creation (A4).

    Of one second, any order is as good. Keys are read in the order that is asked for,
    scans in one: where a scan ends at its limit, none is chosen.
    """
    is_scanned = any(lookup.kind in _SCANS for lookup in search.lookups)
    if is_scanned and len(held) >= CANDIDATES:
        return None
    chosen = min(held) if policy is OnAmbiguous.OLDEST else max(held)
    return chosen, held[chosen][0].kind


def _choose_first(
    search: Search, held: Mapping[str, Sequence[Lookup]]
) -> tuple[str, str] | None:
    """Choose the profile that the first kind of key finds (A3).

    The kinds are in the order in which the mode searches. None if the first that finds
    any finds several: then the key does not decide.
    """
    for kind in dict.fromkeys(lookup.kind for lookup in search.lookups):
        found = [
            profile_id
            for profile_id, lookups in held.items()
            if any(lookup.kind == kind for lookup in lookups)
        ]
        if found:
            return (found[0], kind) if len(found) == 1 else None
    return None


def list_candidates(
    held: Mapping[str, Sequence[Lookup]],
    import_: Import,
    region: str | None,
    *,
    taken: bool = False,
) -> tuple[Candidate, ...]:
    """Return the profiles that hold keys of `import_`, by id; each key once.

    Numbers without a country code are of `region`. `taken`: what they hold is what the
    import would write, and not what it is matched by.
    """
    places = _Places(import_, region, taken)
    return tuple(
        Candidate(
            profile_id=profile_id,
            keys=[
                CandidateKey(kind=kind, path=path)
                for kind, path in dict.fromkeys(
                    (lookup.kind, places.find(lookup)) for lookup in lookups
                )
            ],
        )
        for profile_id, lookups in sorted(held.items())
    )


class _Places(Struct, frozen=True):
    """Knows where in its request an import has a key."""

    import_: Import
    region: str | None
    taken: bool

    def find(self, lookup: Lookup) -> str:
        """Return the path of a key."""
        kind, key, data = lookup.kind, self.import_.key, self.import_.data
        if kind.startswith(FIELD_PREFIX):
            by_value = key.field_value is not None and not self.taken
            name = kind.removeprefix(FIELD_PREFIX)
            return "field_value" if by_value else f"data.{name}"
        top = _TOP.get(kind, "field_value")
        if not self.taken and getattr(key, top) is not None:
            return top
        if kind in (PHONE, "phone_sub"):
            return self._find_phone(lookup)
        in_subscription = kind.endswith("_sub") and data.get(top) is None
        return "data.subscriptions" if in_subscription else f"data.{top}"

    def _find_phone(self, lookup: Lookup) -> str:
        listed = plain(self.import_.data.get("phones"))
        if listed is None:
            return "data.subscriptions"
        if not isinstance(listed, list):
            return "data.phones"
        for index, phone in enumerate(listed):
            with suppress(InvalidValue):
                if phone_key(normalize_phone(phone, self.region)) == lookup.value:
                    return f"data.phones[{index}]"
        return "data.phones"
