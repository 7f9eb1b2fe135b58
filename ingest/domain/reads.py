"""Reads: which profiles hold keys, as far as that was read from Postgres."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from ingest.domain.imports import OnAmbiguous
from ingest.domain.lookups import CANDIDATES, Lookup, Search

#: A lookup in its database.
Address = tuple[int, Lookup]
#: An address, and the id of a profile that is found by it.
Hit = tuple[Address, str]


class Scans(dict[Address, list[str]]):
    """Profiles found by scans, as far as these got."""

    def __init__(self) -> None:
        super().__init__()
        #: What is not known, for looking for it took too long.
        self.given_up: set[Address] = set()

    def __missing__(self, address: Address) -> list[str]:
        return self.setdefault(address, [])


class Holders(NamedTuple):
    """The ids of profiles that hold keys, read from the oldest or the newest on."""

    by_key: Mapping[Address, Sequence[str]] = {}
    #: Of several keys, the profiles that hold all of them.
    by_keys: Mapping[tuple[Address, ...], Sequence[str]] = {}
    #: How many of each are read at most.
    most: int = CANDIDATES

    def list_hits(self) -> Iterator[tuple[Address, Sequence[str]]]:
        """Yield the profiles that each key found, perhaps in several parts."""
        yield from self.by_key.items()
        for addresses, ids in self.by_keys.items():
            for address in addresses:
                yield address, ids

    def list_cut(self, database_id: int, search: Search) -> Iterator[Sequence[str]]:
        """Yield what was read for `search` wherever that ended at the limit."""
        addresses = tuple((database_id, lookup) for lookup in search.lookups)
        if is_together(search):
            read = [self.by_keys.get(addresses, ())]
        else:
            read = [self.by_key.get(address, ()) for address in addresses]
        return (ids for ids in read if len(ids) >= self.most)


class Reads(NamedTuple):
    """Everything that was read for a batch; the newest only where they are asked for.

    Those between the oldest and the newest of a key may not be known.
    """

    oldest: Holders = Holders()
    newest: Holders = Holders()

    def list_hits(self) -> Iterator[tuple[Address, Sequence[str]]]:
        """Yield the profiles that each key found, perhaps in several parts."""
        yield from self.oldest.list_hits()
        yield from self.newest.list_hits()

    def reach(
        self, policy: OnAmbiguous, database_id: int, search: Search, profile_id: str
    ) -> bool:
        """Tell whether nobody unread comes before `profile_id` by age (A4).

        A read that ended at its limit reaches from its end to the last profile in it,
        whether or not that holds the key still.
        """
        if policy is OnAmbiguous.OLDEST:
            cut = self.oldest.list_cut(database_id, search)
            return all(profile_id <= max(ids) for ids in cut)
        if policy is OnAmbiguous.NEWEST:
            cut = self.newest.list_cut(database_id, search)
            return all(profile_id >= min(ids) for ids in cut)
        return True


NOTHING_READ = Reads()


def is_together(search: Search) -> bool:
    """Tell whether a profile must hold several keys of `search` at once."""
    return search.every and len(search.lookups) > 1
