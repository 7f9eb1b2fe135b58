"""A condition compiled for Python and the same as SQL: one answer (S1 to S9)."""

import os
from collections.abc import Iterator, Sequence
from random import Random

import pytest
from psycopg import sql

from ingest.domain.condition_truth import compile_condition
from ingest.domain.conditions import Condition
from ingest.domain.local_days import Instant
from ingest.domain.lookups import stored_keys
from ingest.domain.profiles import Profile
from ingest.store.condition_sql import build_predicate
from ingest.store.profiles.profile_rows import insert_profiles, load_profiles
from ingest.store.profiles.segments import add_members
from tests.conditions import ZONES, make_condition, make_profile, pick_moment
from tests.conftest import Connection
from tests.factories import make_catalog

#: Of the everyday run; a long one is 11000 conditions and 400 profiles, some minutes.
CONDITIONS = int(os.environ.get("TEST_CONDITIONS", "400"))
PROFILES = int(os.environ.get("TEST_CONDITION_PROFILES", "40"))
SEED = int(os.environ.get("TEST_CONDITION_SEED", "1"))


def store(connection: Connection, profiles: Sequence[Profile]) -> None:
    now, database = pick_moment(Random(0)), make_catalog().databases[1]
    insert_profiles(connection, profiles, now)
    # Not exclusive: of the few emails each is of several profiles here.
    connection.cursor().executemany(
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        VALUES (1, %s, %s, %s, false)
        """,
        [
            (key.kind, key.value, one.id)
            for one in profiles
            for key in stored_keys(one, database)
        ],
    )
    members = [((1, one.id), number) for one in profiles for number in one.segments]
    add_members(connection, members, now)


def select(
    connection: Connection, condition: Condition, zone: str, now: Instant
) -> set[str]:
    predicate = build_predicate(condition, zone, now.at)
    rows = connection.execute(
        sql.SQL("SELECT id FROM profiles WHERE database_id = 1 AND {}").format(
            predicate.text
        ),
        predicate.parameters,
    )
    return {id_ for (id_,) in rows}


@pytest.fixture(scope="module")
def profiles(module_connection: Connection) -> Iterator[list[Profile]]:
    """Random profiles, stored, as they are read back."""
    random = Random(SEED)
    made = [make_profile(random, number) for number in range(PROFILES)]
    with module_connection.transaction(force_rollback=True):
        store(module_connection, made)
        yield load_profiles(module_connection, [(1, one.id) for one in made])


@pytest.mark.fact("S.0-one-answer", "S.3-subscription", "S.4-two-valued", "S.5-numbers")
def test_a_profile_fulfills_a_condition_in_python_where_it_does_in_postgres(
    module_connection: Connection, profiles: list[Profile]
) -> None:
    random = Random(SEED)
    held = 0
    for number in range(CONDITIONS):
        tree, condition = make_condition(random)
        zone, now = random.choice(ZONES), Instant(pick_moment(random))
        compiled = compile_condition(condition, zone)
        mine = {one.id for one in profiles if compiled.holds(one, one.segments, now)}
        judged = {
            one.id for one in profiles if compiled.judge(one, one.segments, now)[0]
        }

        found = select(module_connection, condition, zone, now)

        assert found == mine == judged, (number, tree, zone, now.at.isoformat())
        held += len(found)
    # They are no conditions that hold of all, or of none.
    assert 0.1 < held / (CONDITIONS * len(profiles)) < 0.9


@pytest.mark.fact("S.0-parameters")
def test_a_condition_is_no_text_of_the_statement(
    module_connection: Connection,
) -> None:
    random, known = Random(SEED), {"email", "phones"}
    for _ in range(100):
        _, condition = make_condition(random)
        predicate = build_predicate(condition, "UTC", pick_moment(random))
        text = predicate.text.as_string(module_connection)
        sent = [one for one in predicate.parameters.values() if isinstance(one, str)]

        assert not [
            one for one in sent if len(one) > 4 and one in text and one not in known
        ]
