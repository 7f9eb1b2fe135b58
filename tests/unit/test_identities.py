"""The ids that producers' names give: the same for good, and nobody's to guess."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ingest.domain.identities import Namer, derive_import_id

SEALED = datetime(2026, 5, 20, tzinfo=UTC)
NAMER = Namer(
    secret=b"\x01" * 32,
    sealed_from=SEALED,
    plain_until=SEALED + timedelta(days=31),
)
HOUR = timedelta(hours=1)
PLAIN = derive_import_id("feedback", "1", "1", "order-7")
IDS = NAMER.list_ids("feedback", "1", "1", "order-7")


def name(now: datetime, namer: Namer = NAMER) -> tuple[object, object]:
    named = namer.name("feedback", "1", "1", "order-7", now=now)
    return named.import_id, named.other_id


def test_whoever_knows_a_name_but_not_the_secret_cannot_make_its_id() -> None:
    stranger = Namer(
        secret=b"\x02" * 32, sealed_from=SEALED, plain_until=NAMER.plain_until
    )

    sealed, other = name(SEALED)

    assert (sealed, other) == IDS
    assert sealed != PLAIN
    assert name(SEALED, stranger)[0] not in IDS


def test_a_name_has_the_id_of_before_until_all_processes_know_the_secret() -> None:
    assert name(SEALED - timedelta(days=1)) == (PLAIN, None)


def test_where_clocks_may_be_apart_either_id_tells_of_the_other() -> None:
    sealed, plain = IDS

    assert name(SEALED - HOUR) == (plain, sealed)
    assert name(SEALED) == (sealed, plain)


def test_ids_of_before_are_looked_for_as_long_as_they_have_receipts() -> None:
    sealed, plain = IDS

    assert name(NAMER.plain_until - HOUR) == (sealed, plain)
    assert name(NAMER.plain_until) == (sealed, None)


def test_what_has_a_moment_of_its_own_has_one_id_for_good() -> None:
    first = int(SEALED.timestamp() * 1000)

    before = NAMER.name_at("database_import", "5-0", milliseconds=first - 1)
    after = NAMER.name_at("database_import", "5-0", milliseconds=first)

    plain = derive_import_id("database_import", "5-0", milliseconds=first - 1)
    assert (before.import_id, before.other_id) == (plain, None)
    assert after.import_id.version == 7
    assert after.import_id.int >> 80 == first
    assert after.import_id != derive_import_id(
        "database_import", "5-0", milliseconds=first
    )


@given(st.lists(st.text(), max_size=4))
def test_an_id_made_with_the_secret_lies_beyond_every_uuid7(names: list[str]) -> None:
    named = NAMER.name(*names, now=SEALED).import_id

    assert (named.version, named.int >> 127) == (8, 1)


def test_no_log_and_no_traceback_is_told_the_secret() -> None:
    assert repr(NAMER.secret)[2:-1] not in f"{NAMER} {NAMER!r} {[NAMER]}"
