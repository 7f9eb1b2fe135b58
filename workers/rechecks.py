"""Conditions that are judged again as an event is sent (T4)."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from ingest.domain.catalog import Catalog
from ingest.domain.local_days import Instant
from ingest.domain.profiles import Profile
from ingest.store.catalog.load import load_catalog, load_version
from ingest.store.database import Connection
from ingest.store.events.deliveries import Delivery
from ingest.store.profiles.aliases import load_aliases
from ingest.store.profiles.profile_rows import load_profiles
from ingest.store.rows import Id


class Rechecks:
    """Judges deliveries by the catalog as it is; for one thread."""

    def __init__(self) -> None:
        self._catalog: Catalog | None = None

    def find_outdated(
        self, connection: Connection, deliveries: Sequence[Delivery]
    ) -> list[Delivery]:
        """Return those of `deliveries` that are not to be sent any more.

        Their trigger asks for it, and the profile, as it is now, does not fulfill its
        `when`, or is gone. Of a merged profile the one that it became is judged.
        """
        asked = [one for one in deliveries if one.recheck]
        if not asked:
            return []
        catalog = self._refresh(connection)
        profiles = _load(connection, asked)
        now = Instant(datetime.now(UTC))
        return [one for one in asked if not _holds(one, profiles, catalog, now)]

    def _refresh(self, connection: Connection) -> Catalog:
        if self._catalog is None or self._catalog.version != load_version(connection):
            self._catalog = load_catalog(connection)
        return self._catalog


def _load(
    connection: Connection, deliveries: Iterable[Delivery]
) -> Mapping[Id, Profile]:
    """Return the profiles of `deliveries` by the ids that those have."""
    ids = {owner for one in deliveries if (owner := _owner(one))}
    survivors = {
        id_: (id_[0], alias.profile_id)
        for id_, alias in load_aliases(connection, ids).items()
    }
    found = {
        (one.database_id, one.id): one
        for one in load_profiles(connection, {*ids, *survivors.values()})
    }
    return {
        id_: found[current]
        for id_ in ids
        if (current := survivors.get(id_, id_)) in found
    }


def _owner(delivery: Delivery) -> Id | None:
    if delivery.database_id is None or delivery.profile_id is None:
        return None
    return delivery.database_id, delivery.profile_id


def _holds(
    delivery: Delivery,
    profiles: Mapping[Id, Profile],
    catalog: Catalog,
    now: Instant,
) -> bool:
    """Tell whether a trigger of `delivery` still wants it sent."""
    owner = _owner(delivery)
    profile = None if owner is None else profiles.get(owner)
    if profile is None:
        return False
    return any(_wants(id_, profile, catalog, now) for id_ in delivery.trigger_ids)


def _wants(trigger_id: int, profile: Profile, catalog: Catalog, now: Instant) -> bool:
    """Tell whether a trigger wants it; one that asks no more, or is gone, does."""
    trigger = catalog.triggers.get(trigger_id)
    conditions = catalog.conditions.get(trigger_id)
    if trigger is None or not trigger.recheck or conditions is None:
        return True
    when = conditions.when
    return when is None or when.holds(profile, profile.segments, now)
