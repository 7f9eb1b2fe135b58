"""Ranks: the earlier rows of a request that a row comes after (contract 16.10).

A key has one partition, and a partition one order. Two rows of one request that touch
one person by keys of different partitions are a *tie*: the later row names the earlier
one, and no drain applies it while that one waits. Ties are of two sorts:

- what the rows show. Whoever accepts them knows every key that a row searches by or
  brings, and which rows share one, be it by way of others (`Ranking`);
- what only Postgres shows: a profile holds both keys. Whoever applies a row sees the
  profile, and asks whether an earlier row that waits touches it too
  (`workers.deferrals`).

So nothing is asked of rows that share nothing.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import suppress

from msgspec import Struct

from ingest.domain import fields, updates
from ingest.domain.catalog import Catalog, Database, Field
from ingest.domain.contacts import email_key, normalize_email, phone_key
from ingest.domain.drafts import parse_phones
from ingest.domain.errors import InvalidValue, Rejected
from ingest.domain.imports import Import
from ingest.domain.lookups import (
    EMAIL,
    FIELD_PREFIX,
    LOCK_CLASSES,
    PHONE,
    SUBSCRIPTION_CHANNELS,
    Lookup,
    Search,
)
from ingest.domain.matching_keys import listed_contacts, plain
from ingest.domain.updates import Action

#: The class of a key and its value: two rows that share one may touch one person.
KeyName = tuple[str, str]

#: Rows, each with its partition before it.
Last = tuple[tuple[int, int], ...]

#: Names kept before those of settled rows are looked for and dropped.
_MAX_NAMES = 20_000


class Rank(Struct, frozen=True, array_like=True):
    """The place of an import among those of its request."""

    #: Made for one acceptance of one request: what is accepted again has another.
    request: str
    row: int
    #: Classes of the keys by which this row or one before it touches people; none for a
    #: row that comes after all before it anyway.
    kinds: tuple[str, ...] = ()
    #: Partition and row: what has to be applied before it.
    after: Last = ()


def find_names(keys: Iterable[Lookup]) -> set[KeyName]:
    """Return what `keys` share with others that may touch the same person."""
    return {(LOCK_CLASSES.get(key.kind, key.kind), key.value) for key in keys}


def find_touched(
    import_: Import, search: Search, catalog: Catalog, searched: Set[str]
) -> Set[KeyName] | None:
    """Return the names by which an import may meet others of its request.

    Those that it searches by; of those that it brings, what only one profile may hold,
    and what is of a class that others have `searched` by. None if they cannot be told
    without the profile: a search without an index, or a key that is computed.
    """
    database = catalog.databases[import_.database_id]
    if search.document is not None or (
        search.field is not None and _finds_defaults(search.field[0], database)
    ):
        return None
    names = find_names(search.lookups)
    data, key, region = import_.data, import_.key, database.phone_region
    # The key is the email of the data, unless it stands at top level.
    is_searched = search.email is not None and key.email is key.field_value is None
    if not is_searched and (value := plain(data.get("email"))) is not None:
        # Whoever applies it refuses what is wrong: it brings nothing.
        with suppress(InvalidValue):
            names.add((EMAIL, email_key(normalize_email(value))))
    if PHONE in searched and data.get("phones") is not None:
        names.update((PHONE, one) for one in _brought_phones(data["phones"], region))
    if data.get("subscriptions") is not None:
        names.update(_brought_contacts(import_, region, searched))
    try:
        for field in database.match_fields:
            kind = FIELD_PREFIX + field.name
            # Another's key counts where rows search by it, or one profile may hold it.
            if (field.unique or kind in searched) and (
                raw := data.get(field.name)
            ) is not None:
                names.update((kind, text) for text in _bring_texts(field, raw))
    except _Computed:
        return None
    return names


class _Computed(Exception):
    """A key will be what a function makes of what is stored."""


def _bring_texts(field: Field, raw: object) -> Sequence[str]:
    """Return the values by which a field may find the profile that it is set to."""
    try:
        update = updates.parse(field, raw)
        if update.action in (Action.INCR, Action.UPSERT):
            raise _Computed
        if update.action in (Action.SET, Action.ADD) and update.value is not None:
            return list(fields.match_value(field, update.value))
    except (InvalidValue, Rejected):
        # Whoever applies it refuses what is wrong: it brings nothing.
        return ()
    return ()


def _finds_defaults(name: str, database: Database) -> bool:
    """Tell whether a field finds any profile that is created, for want of a value."""
    return name in database.fields and database.fields[name].default is not None


def _brought_phones(raw: object, region: str | None) -> Iterator[str]:
    with suppress(InvalidValue, Rejected):
        value = parse_phones(raw, region).value
        yield from map(phone_key, value if isinstance(value, list) else ())


def _brought_contacts(
    import_: Import, region: str | None, searched: Set[str]
) -> Iterator[KeyName]:
    for kind, channel in SUBSCRIPTION_CHANNELS.items():
        if (name := LOCK_CLASSES.get(kind, kind)) in searched:
            for contact in listed_contacts(import_, channel, region):
                yield name, contact.canonical


class _Group:
    """Names that may be one person's, and the last rows that touched one of them."""

    __slots__ = ("last", "names", "row")

    def __init__(self, name: KeyName, row: int) -> None:
        self.names: tuple[KeyName, ...] = (name,)
        #: Partition and row: whoever comes after these comes after all that touched it.
        self.last: Last = ()
        self.row = row


class _Row(Struct, frozen=True):
    """One row that has its rank."""

    number: int
    partition: int
    import_: Import
    search: Search


class Ranking:
    """Ranks the imports of one request, row by row, in the order written.

    It remembers the rows that are not `settled`, and no more: of a row that was
    applied Postgres knows what it touched.
    """

    def __init__(self, request: str, catalog: Catalog) -> None:
        self._request = request
        self._catalog = catalog
        self._settled = 0
        # Kinds that rows have searched by, and their classes.
        self._seen: set[str] = set()
        self._searched: set[str] = set()
        self._kinds: tuple[str, ...] = ()
        self._groups: dict[KeyName, _Group] = {}
        self._max_names = _MAX_NAMES
        # The last row of each partition.
        self._last: dict[int, int] = {}
        # The last row that cannot tell what it touches.
        self._strict = 0
        self._rows: deque[_Row] = deque()

    def settle(self, row: int) -> None:
        """Forget the rows up to `row`: all of them are applied, or never will be."""
        self._settled = row
        while self._rows and self._rows[0].number <= row:
            self._rows.popleft()
        if len(self._groups) > self._max_names:
            live = {n: one for n, one in self._groups.items() if one.row > row}
            self._groups, self._max_names = live, _MAX_NAMES + 2 * len(live)

    def rank(
        self, number: int, partition: int, import_: Import, search: Search
    ) -> Rank:
        """Return the rank of row `number`; rows come in their order, from 1."""
        row = _Row(number, partition, import_, search)
        kinds = {one.kind for one in search.lookups}
        if not kinds <= self._seen:
            # What others brought of these classes begins to matter.
            self._seen |= kinds
            self._searched |= {LOCK_CLASSES.get(kind, kind) for kind in kinds}
            self._begin_again()
        rank = self._rank(row)
        self._rows.append(row)
        return rank

    def _begin_again(self) -> None:
        """Group the rows anew; they have their ranks, and are not told to wait."""
        self._groups = {}
        for row in self._rows:
            names = find_touched(row.import_, row.search, self._catalog, self._searched)
            if names is None:
                self._strict = row.number
                continue
            group = self._join(names)
            if group is not None:
                group.last = _latest((*group.last, (row.partition, row.number)))
                group.row = row.number

    def _rank(self, row: _Row) -> Rank:
        names = find_touched(row.import_, row.search, self._catalog, self._searched)
        if names is None:
            self._strict = row.number
        group = self._join(names or ())
        follows_all = self._strict > self._settled
        last = () if group is None else group.last
        if follows_all:
            last = tuple(self._last.items())
        if group is not None:
            group.last, group.row = ((row.partition, row.number),), row.number
        self._last[row.partition] = row.number
        kinds = self._note_kinds(names or ())
        return Rank(
            request=self._request,
            row=row.number,
            kinds=() if follows_all else kinds,
            # In its own partition it stands behind that row anyway.
            after=last
            and tuple(
                (partition, number)
                for partition, number in last
                if partition != row.partition and number > self._settled
            ),
        )

    def _join(self, names: Iterable[KeyName]) -> _Group | None:
        """Make one group of those that `names` are in; None for no names."""
        joined: _Group | None = None
        for name in names:
            group = self._groups.get(name)
            if group is None or group.row <= self._settled:
                # Until its first row is noted it must not look settled.
                group = self._groups[name] = _Group(name, self._settled + 1)
            if joined is None:
                joined = group
            elif group is not joined:
                joined = self._merge(joined, group)
        return joined

    def _merge(self, one: _Group, other: _Group) -> _Group:
        """Make one group of two; the longer takes the shorter's names."""
        if len(one.names) < len(other.names):
            one, other = other, one
        # Names of settled rows may have a group of their own by now.
        moved = [name for name in other.names if self._groups.get(name) is other]
        self._groups.update(dict.fromkeys(moved, one))
        one.names = (*one.names, *moved)
        one.last = _latest((*one.last, *other.last))
        one.row = max(one.row, other.row)
        return one

    def _note_kinds(self, names: Iterable[KeyName]) -> tuple[str, ...]:
        for kind, _ in names:
            if kind not in self._kinds:
                self._kinds = (*self._kinds, kind)
        return self._kinds


def _latest(last: Last) -> Last:
    """Return the last row of each partition."""
    return tuple(dict(sorted(last)).items())
