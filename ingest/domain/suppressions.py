"""Suppression: contacts that are not to be written to, whatever an import says (L)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from ingest.domain.catalog import (
    Channel,
    Database,
    Resource,
    SuppressionAction,
    SuppressionList,
)
from ingest.domain.consent import BY_LIST
from ingest.domain.contact_hashes import PHONE_CHANNELS
from ingest.domain.contacts import email_key, phone_key
from ingest.domain.errors import Fault, InvalidRequest
from ingest.domain.imports import Import, Kept, SubscriptionChange
from ingest.domain.lookups import PHONE, SUBSCRIPTION_KINDS, Lookup
from ingest.domain.profiles import (
    Profile,
    Subscription,
    SubscriptionKey,
    name_subscription,
)
from ingest.domain.statuses import PROHIBITION

#: The fault of a contact that a list refuses, but for the list.
SUPPRESSED = "The contact is suppressed"
_LIST = re.compile(r"(?:^|\()list (\d+)\)?$")


class SuppressionRules:
    """The lists of a catalog that may have entries, by what they are about.

    One without entries counts only where contacts are added by imports or deletions.
    """

    def __init__(
        self,
        lists: Iterable[SuppressionList],
        databases: Mapping[int, Database],
        resources: Mapping[int, Resource],
    ) -> None:
        self.lists = {one.id: one for one in sorted(lists, key=_rank)}
        self._by_place = {
            (resource.id, channel): found
            for resource in resources.values()
            for channel in resource.channels
            if (found := self._find_lists(resource, channel))
        }
        self._refusing = {
            (database.id, channel): found
            for database in databases.values()
            for channel in (Channel.EMAIL, Channel.SMS)
            if (found := self._find_refusing(database, channel))
        }
        self._followed = {
            (resource.id, status): resource.suppress_list_id
            for resource in resources.values()
            if resource.suppress_list_id in self.lists
            for status in resource.suppress_on
        }
        self._databases = {
            one.id: [
                each.id
                for each in databases.values()
                if each.account_id == one.account_id
            ]
            for one in self.lists.values()
        }
        self._resources = resources

    def find_lists(
        self, resource_id: int, channel: Channel
    ) -> Sequence[SuppressionList]:
        """Return the lists for subscriptions of a resource and channel.

        The one whose status forbids most is the first.
        """
        return self._by_place.get((resource_id, channel), ())

    def find_refusing(
        self, database_id: int, channel: Channel
    ) -> Sequence[SuppressionList]:
        """Return the lists that refuse profiles by their emails, or phones (SMS)."""
        return self._refusing.get((database_id, channel), ())

    def find_followed(self, resource_id: int, status: str) -> int | None:
        """Return the list that a contact goes on if it gets this status (L5)."""
        return self._followed.get((resource_id, status))

    def list_databases(self, list_id: int) -> Sequence[int]:
        """Return the databases whose profiles a list is about."""
        return self._databases.get(list_id, ())

    def is_indexed(self, list_id: int, channel: Channel) -> bool:
        """Tell whether keys find all subscriptions with a contact of `channel`."""
        same = PHONE_CHANNELS if channel in PHONE_CHANNELS else (channel,)
        return not any(
            one in same and one not in SUBSCRIPTION_KINDS
            for (_, one), found in self._by_place.items()
            if any(each.id == list_id for each in found)
        )

    def _find_lists(
        self, resource: Resource, channel: Channel
    ) -> tuple[SuppressionList, ...]:
        return tuple(
            one
            for one in self.lists.values()
            if one.account_id == resource.account_id
            and (not one.resource_ids or resource.id in one.resource_ids)
            and (not one.channels or channel in one.channels)
        )

    def _find_refusing(
        self, database: Database, channel: Channel
    ) -> tuple[SuppressionList, ...]:
        channels = PHONE_CHANNELS if channel is Channel.SMS else (channel,)
        return tuple(
            one
            for one in self.lists.values()
            if one.action is SuppressionAction.REFUSE
            and one.account_id == database.account_id
            and not one.resource_ids
            and (not one.channels or not one.channels.isdisjoint(channels))
        )


def _rank(one: SuppressionList) -> tuple[int, int]:
    return -PROHIBITION[one.status], one.id


def compile_suppression(
    lists: Iterable[SuppressionList],
    databases: Mapping[int, Database],
    resources: Mapping[int, Resource],
) -> SuppressionRules | None:
    """Return the rules of those lists that imports have to ask for; None for none."""
    growing = {one.forget_list_id for one in databases.values()}
    growing |= {one.suppress_list_id for one in resources.values()}
    live = [one for one in lists if one.filled or one.id in growing]
    return SuppressionRules(live, databases, resources) if live else None


#: Tells whether a list has a canonical contact.
IsListed = Callable[[int, str], bool]


class SuppressionCheck:
    """The rules of the catalog, and who is on its lists."""

    def __init__(self, rules: SuppressionRules, is_listed: IsListed) -> None:
        self.rules = rules
        self._ask = is_listed
        #: Those that imports of this batch have added.
        self._fresh: set[tuple[int, str]] = set()

    def note(self, listed: Iterable["ListedContact"]) -> None:
        """Know that contacts have gone on lists."""
        self._fresh.update((one.list_id, one.contact) for one in listed)

    def _is_listed(self, list_id: int, contact: str) -> bool:
        return (list_id, contact) in self._fresh or self._ask(list_id, contact)

    def find(self, key: SubscriptionKey) -> list[SuppressionList]:
        """Return the lists that a subscription's contact is on, the strictest first."""
        lists = self.rules.find_lists(key.resource_id, key.channel)
        return [one for one in lists if self._is_listed(one.id, key.contact)]

    def find_floor(self, key: SubscriptionKey, status: str) -> SuppressionList | None:
        """Return the list that forbids more than `status`, if any does."""
        lists = self.rules.find_lists(key.resource_id, key.channel)
        return next(
            (
                one
                for one in lists
                if PROHIBITION[one.status] > PROHIBITION[status]
                and self._is_listed(one.id, key.contact)
            ),
            None,
        )

    def refuse_profile(self, profile: Profile) -> None:
        """Raise InvalidRequest if the email or a phone of a new profile is listed."""
        faults = []
        for path, channel, contact in list_own_contacts(profile):
            lists = self.rules.find_refusing(profile.database_id, channel)
            named = next(
                (one for one in lists if self._is_listed(one.id, contact)), None
            )
            if named is not None:
                faults.append(make_fault(named, f"data.{path}"))
        if faults:
            raise InvalidRequest(faults)


def list_own_contacts(profile: Profile) -> Iterator[tuple[str, Channel, str]]:
    """Yield the email and phones of a profile: the path, the channel, the contact."""
    if profile.email is not None:
        yield "email", Channel.EMAIL, email_key(profile.email)
    for index, phone in enumerate(profile.phones):
        yield f"phones[{index}]", Channel.SMS, phone_key(phone)


def list_contacts(profile: Profile) -> dict[tuple[Channel, str], None]:
    """Return all contacts of a profile, its subscriptions' too, deleted or not (L6)."""
    own = {
        (channel, contact): None for _, channel, contact in list_own_contacts(profile)
    }
    for key in profile.subscriptions:
        channel = Channel.SMS if key.channel in PHONE_CHANNELS else key.channel
        own[channel, key.contact] = None
    return own


def list_lowered(
    subscriptions: Iterable[Subscription], list_id: int, rules: SuppressionRules
) -> Iterator[Subscription]:
    """Yield the subscriptions that a list would lower, if their contacts are on it."""
    for one in subscriptions:
        if not one.deleted and any(
            named.id == list_id and PROHIBITION[named.status] > PROHIBITION[one.status]
            for named in rules.find_lists(one.key.resource_id, one.key.channel)
        ):
            yield one


def make_fault(named: SuppressionList, path: str = "") -> Fault:
    """Return the fault of a contact that a list refuses (L3)."""
    message = f"The contact is suppressed (list {named.id})"
    return Fault(code=403, message=message, path=path)


def name_reason(named: SuppressionList) -> str:
    """Return why a status is kept, as receipts say it."""
    return f"{BY_LIST}{named.id}"


def find_list(text: str) -> int | None:
    """Return the list that a reason, or a fault, is of; None for that of no list."""
    found = _LIST.search(text)
    return int(found[1]) if found else None


def lock_lookup(key: SubscriptionKey) -> Lookup:
    """Return the key by which those who bring a contact wait for each other (L4).

    No index has contacts of every channel.
    """
    kind = SUBSCRIPTION_KINDS.get(key.channel)
    if kind is None:
        kind = PHONE if key.channel in PHONE_CHANNELS else f"{key.channel}_sub"
    return Lookup(kind, key.contact)


class ListedContact(Struct, frozen=True, kw_only=True):
    """A contact of a list whose stored subscriptions are to be lowered."""

    list_id: int
    channel: Channel
    contact: str
    #: It goes on the list by this (L5); otherwise it is there.
    is_new: bool = False


#: A profile before an import, and after it; None where there is none.
_Pair = tuple[Profile | None, Profile | None]


def follow(
    pairs: Iterable[_Pair],
    import_: Import,
    kept: Sequence[Kept],
    check: SuppressionCheck,
) -> Iterator[ListedContact]:
    """Yield the contacts that an import puts on lists (L5), or frees from one (L4).

    What a list itself has caused follows to no other. Only what brings subscriptions
    back as they were, such as an undo, can free: their contacts are lowered again.
    """
    if import_.subscription_change is SubscriptionChange.SUPPRESS:
        return
    by_list = {one.path for one in kept if one.reason.startswith(BY_LIST)}
    for before, after in pairs:
        if after is None or (before and before.subscriptions is after.subscriptions):
            continue
        known = before.subscriptions if before else {}
        for key, one in after.subscriptions.items():
            was = known.get(key)
            if one is was or one.deleted:
                continue
            followed = check.rules.find_followed(key.resource_id, one.status)
            is_said = was is None or was.status != one.status
            if (
                followed is not None
                and is_said
                and f"{name_subscription(key)}.status" not in by_list
            ):
                yield _make_listed(key, followed, is_new=True)
            freed = _is_freed(was, one) and check.find_floor(key, one.status)
            if freed:
                yield _make_listed(key, freed.id)


def _is_freed(was: Subscription | None, one: Subscription) -> bool:
    if was is None or was.deleted:
        return True
    return PROHIBITION[one.status] < PROHIBITION[was.status]


def _make_listed(
    key: SubscriptionKey, list_id: int, *, is_new: bool = False
) -> ListedContact:
    channel = Channel.SMS if key.channel in PHONE_CHANNELS else key.channel
    return ListedContact(
        list_id=list_id, channel=channel, contact=key.contact, is_new=is_new
    )
