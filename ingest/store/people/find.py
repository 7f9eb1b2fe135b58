"""People, found by a part of what they are known by, within a bounded time (P2)."""

import difflib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import LiteralString

import psycopg
from msgspec import Struct
from psycopg import sql
from psycopg.rows import class_row

from ingest.domain.conditions import Condition
from ingest.store.condition_sql import build_predicate
from ingest.store.database import Connection

#: People of a page, and how many are counted.
SHOWN, COUNTED = 50, 1000
#: What a statement may take; then the search is to be narrowed.
_MILLISECONDS = 300
#: The latest imports, whose people are looked at first where no word is searched.
_LATEST = 2000
#: A word this long is found by the index wherever it is.
_INDEXED = 3
#: Texts that are looked through for a word that is like the one searched, and how like
#: it their words must be, by their trigrams and by their letters.
_SIMILAR, _ALIKE, _LIKENESS = 2000, 0.3, 0.7

_ESCAPED = re.compile(r"([\\%_])")
_WORD = re.compile(r"[^\s@.,;+\-]+")


class PeopleSearch(Struct, frozen=True, kw_only=True):
    """A search: all of it must hold."""

    #: Folded.
    words: tuple[str, ...] = ()
    #: None for all.
    database_id: int | None = None
    segment_id: int | None = None
    condition: Condition | None = None
    #: Of the database, for a condition.
    zone: str = "UTC"
    changed_since: datetime | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether anything is searched."""
        filters = (self.segment_id, self.condition, self.changed_since)
        return bool(self.words) or any(one is not None for one in filters)


class PersonHit(Struct, frozen=True, kw_only=True):
    """A person, as lists show them."""

    database_id: int
    profile_id: str
    first_name: str | None
    last_name: str | None
    email: str | None
    phones: list[str]
    updated_at: datetime

    @property
    def name(self) -> str:
        """The name, as far as it is known."""
        return " ".join(filter(None, (self.first_name, self.last_name)))


class PeopleFound(Struct, frozen=True, kw_only=True):
    """The people whom a search has found."""

    #: Those changed last first; SHOWN of them at most.
    people: list[PersonHit]
    #: How many there are; COUNTED + 1 for more.
    count: int
    #: There was no time to look everywhere.
    is_partial: bool = False
    #: Only words that begin so were found.
    begins_only: bool = False
    #: What may have been meant, and how many it finds; only where nobody was found.
    suggestion: str | None = None
    suggested: int = 0


def find_people(
    connection: Connection, wanted: PeopleSearch, now: datetime
) -> PeopleFound:
    """Return the people who match. Must run in a transaction that only reads."""
    if not wanted.words:
        return _find_filtered(connection, wanted, now)
    if max(map(len, wanted.words)) < _INDEXED:
        return _find_short(connection, wanted, now)
    hits = _try(connection, _by_text(wanted, now))
    if hits is None:
        some = _try(connection, _by_text(wanted, now, looked=COUNTED))
        return _make(some or [], is_partial=True)
    found = _make(hits)
    return found if hits else _suggest(connection, wanted, found, now)


def _find_short(
    connection: Connection, wanted: PeopleSearch, now: datetime
) -> PeopleFound:
    """Find two letters: where words begin, and elsewhere as far as there is time.

    An index knows three letters, or the beginning of a word.
    """
    first = _try(connection, _by_text(wanted, now, begins=True))
    if first is not None and len(first) > SHOWN:
        return _make(first, begins_only=True)
    anywhere = _try(connection, _by_text(wanted, now))
    if anywhere is not None:
        return _make(anywhere)
    return _make(first or [], begins_only=True, is_partial=first is None)


def _find_filtered(
    connection: Connection, wanted: PeopleSearch, now: datetime
) -> PeopleFound:
    """Find by filters alone; of no filter at all, who was changed last."""
    if wanted.segment_id is not None:
        hits = _try(connection, _by_segment(wanted, now))
        return _make(hits or [], is_partial=hits is None)
    latest = _try(connection, _by_receipts(wanted, now)) or []
    if len(latest) > SHOWN and not wanted.is_narrow:
        return _make(latest, is_partial=True)
    hits = _try(connection, _by_profiles(wanted, now))
    if hits is None:
        return _make(latest, is_partial=True)
    together = {(one.database_id, one.profile_id): one for one in [*latest, *hits]}
    return _make([*together.values()][: COUNTED + 1])


def _make(
    hits: Sequence[PersonHit], *, is_partial: bool = False, begins_only: bool = False
) -> PeopleFound:
    def key(one: PersonHit) -> tuple[float, int, str]:
        return -one.updated_at.timestamp(), one.database_id, one.profile_id

    return PeopleFound(
        people=sorted(hits, key=key)[:SHOWN],
        count=len(hits),
        is_partial=is_partial,
        begins_only=begins_only,
    )


_Query = tuple[sql.Composed, dict[str, object]]


def _try(connection: Connection, query: _Query) -> list[PersonHit] | None:
    """Return what a query finds; None if it takes too long."""
    with _bounded(connection) as done:
        with connection.cursor(row_factory=class_row(PersonHit)) as cursor:
            hits = cursor.execute(*query).fetchall()
        done.append(True)
    return hits if done else None


@contextmanager
def _bounded(connection: Connection) -> Iterator[list[bool]]:
    """End what takes too long; where it is done, the list that is given has a member.

    Texts are found by bitmaps of their index, or, where nearly all match, by reading
    on: other statements want neither.
    """
    done: list[bool] = []
    try:
        with connection.transaction():
            connection.execute(
                """
                SELECT set_config('statement_timeout', %(milliseconds)s, true),
                       set_config('enable_bitmapscan', 'on', true),
                       set_config('enable_seqscan', 'on', true),
                       set_config('pg_trgm.word_similarity_threshold', %(alike)s, true)
                """,
                {"milliseconds": str(_MILLISECONDS), "alike": str(_ALIKE)},
            )
            yield done
    except (psycopg.errors.QueryCanceled, psycopg.errors.UndefinedFunction):
        # Too long, or without pg_trgm.
        done.clear()


_PERSON = sql.SQL(
    """profiles.database_id, profiles.id AS profile_id,
           fields ->> '_fname' AS first_name, fields ->> '_lname' AS last_name,
           email, phones, updated_at
    """
)


def _filters(wanted: PeopleSearch, now: datetime) -> _Query:
    """Return what must hold of a row of `profiles`."""
    parts = [sql.SQL("true").format()]
    parameters: dict[str, object] = {"counted": COUNTED + 1}
    if wanted.condition is not None:
        predicate = build_predicate(wanted.condition, wanted.zone, now)
        parts.append(predicate.text)
        parameters |= predicate.parameters
    if wanted.changed_since is not None:
        parts.append(sql.SQL("updated_at >= {}").format(sql.Placeholder("since")))
        parameters["since"] = wanted.changed_since
    if wanted.database_id is not None:
        parts.append(
            sql.SQL("profiles.database_id = {}").format(sql.Placeholder("database_id"))
        )
        parameters["database_id"] = wanted.database_id
    if wanted.words and wanted.segment_id is not None:
        parts.append(_MEMBER.format(sql.Placeholder("segment_id")))
        parameters["segment_id"] = wanted.segment_id
    return sql.SQL(" AND ").join(parts), parameters


_MEMBER = sql.SQL(
    """EXISTS (
        SELECT FROM segment_members AS member
         WHERE member.database_id = profiles.database_id
           AND member.profile_id = profiles.id
           AND member.segment_id = {})"""
)
#: OFFSET 0: the texts come first, whatever the planner thinks of the filters.
_BY_TEXT = sql.SQL(
    """
    SELECT {person}
      FROM (SELECT database_id, profile_id
              FROM people_search
             WHERE {words}
             LIMIT %(looked)s
            OFFSET 0) AS found
      JOIN profiles
        ON profiles.database_id = found.database_id
       AND profiles.id = found.profile_id
     WHERE {filters}
     LIMIT %(counted)s
    """
)
_BY_SEGMENT = sql.SQL(
    """
    SELECT {person}
      FROM (SELECT database_id, profile_id
              FROM segment_members
             WHERE segment_id = %(segment_id)s
             ORDER BY profile_id || ''
            OFFSET 0) AS found
      JOIN profiles
        ON profiles.database_id = found.database_id
       AND profiles.id = found.profile_id
     WHERE {filters}
     LIMIT %(counted)s
    """
)
_BY_RECEIPTS = sql.SQL(
    """
    SELECT {person}
      FROM (SELECT DISTINCT database_id, profile_id
              FROM (SELECT database_id, profile_id
                      FROM imports
                     ORDER BY applied_at DESC
                     LIMIT %(latest)s) AS newest
             WHERE profile_id IS NOT NULL
            OFFSET 0) AS found
      JOIN profiles
        ON profiles.database_id = found.database_id
       AND profiles.id = found.profile_id
     WHERE {filters}
     LIMIT %(counted)s
    """
)
_BY_PROFILES = sql.SQL(
    """
    SELECT {person}
      FROM profiles
     WHERE {filters}
     LIMIT %(counted)s
    """
)


def _by_text(
    wanted: PeopleSearch,
    now: datetime,
    *,
    begins: bool = False,
    looked: int | None = None,
) -> _Query:
    """Find by words; with `looked`, among so many who have them."""
    filters, parameters = _filters(wanted, now)
    parameters["looked"] = looked
    tests = []
    for number, word in enumerate(wanted.words):
        tests.append(sql.SQL("text LIKE {}").format(sql.Placeholder(f"w{number}")))
        parameters[f"w{number}"] = f"%{' ' if begins else ''}{_escape(word)}%"
    words = sql.SQL(" AND ").join(tests)
    return _BY_TEXT.format(person=_PERSON, words=words, filters=filters), parameters


def _escape(word: str) -> str:
    return _ESCAPED.sub(r"\\\1", word)


def _by_segment(wanted: PeopleSearch, now: datetime) -> _Query:
    filters, parameters = _filters(wanted, now)
    parameters["segment_id"] = wanted.segment_id
    return _BY_SEGMENT.format(person=_PERSON, filters=filters), parameters


def _by_receipts(wanted: PeopleSearch, now: datetime) -> _Query:
    filters, parameters = _filters(wanted, now)
    parameters["latest"] = _LATEST
    return _BY_RECEIPTS.format(person=_PERSON, filters=filters), parameters


def _by_profiles(wanted: PeopleSearch, now: datetime) -> _Query:
    filters, parameters = _filters(wanted, now)
    return _BY_PROFILES.format(person=_PERSON, filters=filters), parameters


def _suggest(
    connection: Connection, wanted: PeopleSearch, found: PeopleFound, now: datetime
) -> PeopleFound:
    """Add what may have been meant: the first unknown word, as a known one."""
    for number, word in enumerate(wanted.words):
        if len(word) < _INDEXED or _is_known(connection, word):
            continue
        like = _find_alike(connection, word)
        if like is None:
            return found
        words = (*wanted.words[:number], like, *wanted.words[number + 1 :])
        search = PeopleSearch(words=words, database_id=wanted.database_id)
        hits = _try(connection, _by_text(search, now)) or []
        if not hits:
            return found
        return PeopleFound(
            people=[], count=0, suggestion=" ".join(words), suggested=len(hits)
        )
    return found


def _is_known(connection: Connection, word: str) -> bool:
    known: object = None
    with _bounded(connection) as done:
        known = connection.execute(
            "SELECT true FROM people_search WHERE text LIKE %(like)s LIMIT 1",
            {"like": f"%{_escape(word)}%"},
        ).fetchone()
        done.append(True)
    return not done or known is not None


def _find_alike(connection: Connection, word: str) -> str | None:
    """Return the word of anybody's that is most like `word`, the commonest of those.

    First among those that begin alike, which an index has together.
    """
    likeness = difflib.SequenceMatcher(b=word)

    def rate(one: str) -> float:
        likeness.set_seq1(one)
        return likeness.ratio()

    for query in (_ALIKE_BEGUN, _ALIKE_TRIGRAMS):
        words = Counter(_list_words(connection, query, word))
        rated = [(rate(one), count, one) for one, count in words.items()]
        best = max(rated, default=(0.0, 0, ""))
        if best[0] >= _LIKENESS:
            return best[2]
    return None


_ALIKE_BEGUN = """
    SELECT text
      FROM people_search
     WHERE text LIKE %(begin)s
     LIMIT %(similar)s
    """
_ALIKE_TRIGRAMS = """
    SELECT text
      FROM people_search
     WHERE %(word)s <%% text
     LIMIT %(similar)s
    """


def _list_words(connection: Connection, query: LiteralString, word: str) -> list[str]:
    texts: list[str] = []
    with _bounded(connection) as done:
        begin = f"% {_escape(word[:2])}%"
        parameters = {"word": word, "begin": begin, "similar": _SIMILAR}
        texts = [text for (text,) in connection.execute(query, parameters)]
        done.append(True)
    return [one for text in texts for one in _WORD.findall(text)]
