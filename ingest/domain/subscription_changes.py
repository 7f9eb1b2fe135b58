"""Changes of subscriptions that a profile has (16.5)."""

from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ingest.domain.catalog import Channel
from ingest.domain.errors import NotFound
from ingest.domain.imports import SubscriptionChange
from ingest.domain.lookups import SUBSCRIPTION_KINDS, Lookup
from ingest.domain.profiles import Subscription, SubscriptionKey

#: The member that each changes, from what to what; any other value of it stays.
_EFFECTS: Mapping[SubscriptionChange, tuple[str, object, object]] = {
    SubscriptionChange.DELETE: ("deleted", False, True),
    SubscriptionChange.RESTORE: ("deleted", True, False),
    SubscriptionChange.SUSPEND_ALL: ("status", "subscribed", "suspended"),
    SubscriptionChange.UNSUSPEND_ALL: ("status", "suspended", "subscribed"),
}


class SelectedChange(Struct, frozen=True, kw_only=True):
    """A change, and the subscriptions of a profile that it is of."""

    change: SubscriptionChange
    #: Those of this resource and channel; None for any.
    resource_id: int | None = None
    channel: Channel | None = None
    #: The canonical contact of the one; None for all that are not deleted.
    contact: str | None = None
    #: Those that others have changed since (T10).
    passed_over: frozenset[SubscriptionKey] = frozenset()

    @property
    def effect(self) -> tuple[str, object, object]:
        """The member that it changes, from what to what."""
        return _EFFECTS[self.change]

    @property
    def lookups(self) -> Iterator[Lookup]:
        """The key that finds, or no longer finds, the profile after it."""
        if self.contact is not None and self.channel in SUBSCRIPTION_KINDS:
            yield Lookup(SUBSCRIPTION_KINDS[self.channel], self.contact)

    def selects(self, stored: Subscription) -> bool:
        """Tell whether it is of `stored`."""
        key = stored.key
        if self.contact is None and stored.deleted:
            return False
        return (
            self.resource_id in (None, key.resource_id)
            and self.channel in (None, key.channel)
            and self.contact in (None, key.contact)
        )


def change_subscriptions(
    existing: Mapping[SubscriptionKey, Subscription], selected: SelectedChange
) -> dict[SubscriptionKey, Subscription]:
    """Return the subscriptions after the change; unchanged ones are the same objects.

    Raises NotFound for a contact that is not there; there may be none of all.
    """
    chosen = [one for one in existing.values() if selected.selects(one)]
    if selected.contact is not None and not chosen:
        raise NotFound("Subscription not found")
    name, before, after = selected.effect
    changed = {
        one.key: replace(one, **{name: after})
        for one in chosen
        if getattr(one, name) == before and one.key not in selected.passed_over
    }
    return {**existing, **changed}
