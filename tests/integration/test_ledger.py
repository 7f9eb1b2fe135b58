"""The ledger: what was accepted, what came of it, and what is missing."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
from msgspec.structs import replace

from ingest.domain.imports import Import
from ingest.ledger.audit import Audit, Balance, audit, restart
from ingest.ledger.reconcile import settle_all
from ingest.settings import Settings
from ingest.store.dead_letters.write import DeadLetter, insert_dead_letter
from ingest.store.ledger import UNDECODABLE_PAGE, count_missing, find_known
from ingest.streams.acceptance_log import Journal
from ingest.streams.queues import journal_key, stream_key
from ingest.streams.stream import Waiting
from ingest.wire.acceptance_log import FIELD, dump_mark
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.drains import make_drain
from tests.factories import make_import
from workers.drain import Drain
from workers.replay import Replay

PARTITION = 1
ALL = [Waiting(partition=PARTITION, entries=200)]


@pytest.fixture
def journal(settings: Settings) -> Iterator[Journal]:
    opened = Journal(settings.redis_url, settings.partitions)
    yield opened
    opened.close()


@pytest.fixture
def drain(settings: Settings) -> Iterator[Drain]:
    opened = make_drain(settings)
    # What waits may be read from the first moment on.
    opened.drain(ALL)
    yield opened
    opened.close()


def by_email(number: int = 1, **changes: object) -> Import:
    data = {"_fname": "Ada", **changes}
    return make_import("email", data, key={"email": f"n{number}@example.com"})


def accept(client: redis.Redis, *imports: Import, novelty: str = "") -> list[bytes]:
    """Accept `imports` in one flight, as doors do; return the ids of the entries.

    With a `novelty`, a member of this name, as another release may write.
    """
    pipeline = client.pipeline(transaction=True)
    for import_ in imports:
        payload = encode(import_)
        if novelty:
            payload = payload.replace(b"{", f'{{"{novelty}":1,'.encode(), 1)
        pipeline.xadd(stream_key(PARTITION), {"import": payload})
    record = b"".join(map(dump_mark, imports))
    pipeline.xadd(journal_key(PARTITION), {FIELD: record})
    return list(pipeline.execute()[:-1])


def look(connection: Connection, journal: Journal) -> Audit:
    return audit(connection, journal, datetime.now(UTC))


def account(connection: Connection, journal: Journal) -> Balance:
    (one,) = look(connection, journal).balances
    return one


def ids_of(told: Audit) -> list[object]:
    return [one.import_id for one in told.missing]


def test_an_import_waits_then_is_applied_and_the_account_is_balanced(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    accept(client, by_email(1), by_email(2))
    waiting = account(connection, journal)
    drain.drain(ALL)
    accept(client, by_email(1), by_email(2, _fname="Bob"), by_email(3, points="x"))
    drain.drain(ALL)
    accept(client, by_email(4))

    applied = account(connection, journal)

    assert (waiting.accepted, waiting.waiting, waiting.imbalance) == (2, 2, 0)
    assert applied == Balance(
        database_id=1,
        accepted=6,
        created=2,
        updated=1,
        unchanged=1,
        rejected=1,
        dead=0,
        removed=0,
        held=0,
        waiting=1,
        repeated=0,
    )
    assert look(connection, journal).is_balanced


def test_a_deleted_entry_is_named_and_an_applied_one_is_not(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    applied, lost, waiting = by_email(1), by_email(2), by_email(3)
    entries = accept(client, applied, lost)
    accept(client, waiting)
    client.xdel(stream_key(PARTITION), entries[1])

    before = look(connection, journal)
    drain.drain(ALL)
    after = look(connection, journal)

    for told in (before, after):
        assert ids_of(told) == [lost.import_id]
        assert told.balances[0].imbalance == 1
        assert not told.is_balanced
    assert (after.balances[0].created, after.balances[0].accepted) == (2, 3)
    assert count_missing(connection)[1] == 1
    assert count_missing(connection)[2] == 0


def test_an_entry_deleted_after_its_neighbours_were_settled_is_named(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    lost = by_email(2)
    accept(client, by_email(1))
    (entry,) = accept(client, lost)
    settle_all(connection, journal)
    client.xdel(stream_key(PARTITION), entry)
    drain.drain(ALL)

    assert settle_all(connection, journal) == 1
    assert settle_all(connection, journal) == 0
    assert ids_of(look(connection, journal)) == [lost.import_id]


def test_a_missing_import_that_comes_back_is_found(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    import_ = by_email()
    (entry,) = accept(client, import_)
    client.xdel(stream_key(PARTITION), entry)
    assert not look(connection, journal).is_balanced
    # As out of an older copy of Redis.
    client.xadd(stream_key(PARTITION), {"import": encode(import_)})
    drain.drain(ALL)

    assert look(connection, journal).is_balanced
    assert account(connection, journal).imbalance == 0


def test_a_receipt_deleted_by_hand_is_named(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    import_ = by_email(2)
    accept(client, by_email(1), import_)
    drain.drain(ALL)
    assert look(connection, journal).is_balanced
    connection.execute("DELETE FROM imports WHERE import_id = %s", (import_.import_id,))

    told = look(connection, journal)

    assert ids_of(told) == [import_.import_id]
    assert not told.is_balanced


def test_an_import_accepted_several_times_is_one(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    named = by_email()
    accept(client, named, named)
    drain.drain(ALL)
    accept(client, named)
    waiting = account(connection, journal)
    drain.drain(ALL)

    done = account(connection, journal)

    assert (waiting.imbalance, waiting.waiting, waiting.repeated) == (0, 1, 1)
    assert (done.accepted, done.created, done.repeated) == (1, 1, 2)
    assert done.imbalance == 0


def test_an_entry_read_again_after_a_crash_counts_once(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    import_ = by_email()
    (entry,) = accept(client, import_)
    drain.drain(ALL)
    # The worker died before it dropped the entry.
    client.delete(stream_key(PARTITION))
    client.xadd(stream_key(PARTITION), {"import": encode(import_)}, id=entry)
    between = account(connection, journal)
    drain.drain(ALL)

    done = account(connection, journal)

    assert between == done
    assert (done.accepted, done.created, done.repeated, done.waiting) == (1, 1, 0, 0)


def test_dead_imports_count_and_move_when_they_are_replayed(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    connection.execute(
        "ALTER TABLE profiles ADD CONSTRAINT sane CHECK (fields ->> '_fname' <> 'x')"
    )
    accept(client, by_email(1, _fname="x"), by_email(2))
    accept(client, by_email(3), novelty="later")
    drain.drain(ALL)
    dead = account(connection, journal)
    connection.execute("ALTER TABLE profiles DROP CONSTRAINT sane")
    ids = [row[0] for row in connection.execute("SELECT id FROM dead_letters")]
    Replay(connection, by="me").run(ids, dry_run=False)

    replayed = account(connection, journal)

    assert (dead.dead, dead.created, dead.imbalance) == (2, 1, 0)
    # This release still cannot decode the other.
    assert (replayed.dead, replayed.created, replayed.imbalance) == (1, 2, 0)
    assert look(connection, journal).is_balanced


def test_an_entry_that_cannot_be_decoded_is_not_missing(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    accept(client, by_email(), novelty="later")
    drain.drain(ALL)

    told = look(connection, journal)

    assert told.missing == []
    assert (told.balances[0].dead, told.balances[0].imbalance) == (1, 0)


def test_imports_are_known_by_any_of_many_entries_that_cannot_be_decoded(
    connection: Connection,
) -> None:
    imports = [by_email(n) for n in range(2 * UNDECODABLE_PAGE + 1)]
    for number, import_ in enumerate(imports):
        letter = DeadLetter(
            import_id=None,
            database_id=None,
            partition=PARTITION,
            entry_id=f"{number}-0",
            payload=encode(import_),
            error="MalformedEntry: it cannot be read",
            traceback="",
        )
        insert_dead_letter(connection, letter, datetime.now(UTC))
    ids = {import_.import_id for import_ in imports}

    assert find_known(connection, ids | {by_email().import_id}) == ids


def test_what_was_accepted_without_a_record_makes_the_audit_uncertain(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    # As by an older release, or before Redis was wiped.
    accept(client, by_email(1))
    drain.drain(ALL)
    client.flushdb()
    accept(client, by_email(2))

    told = look(connection, journal)
    restart(connection, journal)
    anew = look(connection, journal)

    assert told.is_balanced
    assert not told.is_certain
    assert told.balances[0].imbalance == -1
    assert anew.is_certain
    assert (anew.balances[0].created, anew.balances[0].waiting) == (1, 1)
    assert anew.balances[0].accepted == 2


def test_settled_records_go_after_a_while_and_unsettled_ones_stay(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    old = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp() * 1000)
    for number in range(300):
        import_ = by_email(number)
        client.xadd(stream_key(PARTITION), {"import": encode(import_)})
        record: dict[Any, Any] = {FIELD: dump_mark(import_)}
        client.xadd(journal_key(PARTITION), record, id=f"{old + number}-0")
    drain.drain(ALL)
    accept(client, by_email(1000))
    while drain.drain(ALL):
        pass
    accept(client, by_email(1001))

    settle_all(connection, journal)

    # Whole nodes of a stream are dropped, so that some remain.
    assert client.xlen(journal_key(PARTITION)) < 150
    assert account(connection, journal).accepted == 302
    assert look(connection, journal).is_balanced


def test_counts_outlive_the_receipts(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    accept(client, by_email(1))
    drain.drain(ALL)
    settle_all(connection, journal)
    connection.execute("DELETE FROM imports")
    later = datetime.now(UTC) + timedelta(days=31)

    told = audit(connection, journal, later)

    assert told.is_balanced
    assert (told.balances[0].accepted, told.balances[0].created) == (1, 1)


def test_databases_have_accounts_of_their_own(
    connection: Connection, client: redis.Redis, journal: Journal, drain: Drain
) -> None:
    other = replace(by_email(2), database_id=2)
    entries = accept(client, by_email(1), other)
    client.xdel(stream_key(PARTITION), entries[1])
    drain.drain(ALL)

    told = look(connection, journal)

    assert [(one.database_id, one.imbalance) for one in told.balances] == [
        (1, 0),
        (2, 1),
    ]
    assert [one.database_id for one in told.missing] == [2]
