"""Dead letters applied again: once, in order, and as the code is now."""

import threading
from uuid import UUID

import pytest
import redis

from ingest.domain.imports import Import, State
from ingest.store.database import connect
from ingest.store.dead_letters.read import Selection, find_letter_ids
from ingest.streams.queues import stream_key
from ingest.wire.entries import encode
from tests.conftest import Connection
from tests.factories import by_email
from tests.intakes import DEADLINE_SECONDS
from tests.stored import count
from workers.drain import Drain
from workers.replay import KNOWN, UNDECODABLE, Replay, Replayed

INCR = {"points": {"action": "incr", "value": 5}}


def append(client: redis.Redis, *imports: Import, partition: int = 0) -> None:
    for import_ in imports:
        client.xadd(stream_key(partition), {"import": encode(import_)})


def run(drain: Drain) -> None:
    drain.run(lambda _: None)


def forbid(connection: Connection, condition: str) -> None:
    """Let every import die for which `condition` does not hold."""
    connection.execute(
        f"ALTER TABLE profiles ADD CONSTRAINT a_bug CHECK ({condition}) NOT VALID"
    )


def mend(connection: Connection) -> None:
    connection.execute("ALTER TABLE profiles DROP CONSTRAINT a_bug")


def replay(connection: Connection, *, dry_run: bool = False) -> list[Replayed]:
    letters = find_letter_ids(connection, Selection())
    return Replay(connection, by="tester").run(letters, dry_run=dry_run)


def states(connection: Connection) -> dict[UUID, str]:
    return dict(connection.execute("SELECT import_id, state FROM imports").fetchall())


def field(connection: Connection, name: str) -> object:
    row = connection.execute(
        "SELECT fields -> %s FROM profiles ORDER BY email", (name,)
    ).fetchone()
    return row and row[0]


def bury(
    drain: Drain, client: redis.Redis, connection: Connection, *imports: Import
) -> None:
    """Let `imports` die, and mend what killed them."""
    append(client, *imports)
    forbid(connection, "false")
    run(drain)
    mend(connection)
    assert set(states(connection).values()) == {"dead"}


def test_a_letter_is_applied_once_however_often_it_is_replayed(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    import_ = by_email("ann@example.com", INCR)
    bury(drain, client, connection, import_)
    letters = find_letter_ids(connection, Selection())
    worker = Replay(connection, by="tester")

    (first,) = worker.run(letters, dry_run=False)
    again = worker.run(letters, dry_run=False)

    assert (first.state, first.import_id) == (State.CREATED, import_.import_id)
    assert set(first.changed) >= {"points"}
    assert again == []
    assert field(connection, "points") == 5
    assert states(connection) == {import_.import_id: "created"}
    row = connection.execute(
        "SELECT resolution, resolved_by, resolved_at >= created_at FROM dead_letters"
    ).fetchone()
    assert row == ("replayed", "tester", True)


def test_letters_are_replayed_in_the_order_accepted(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    imports = [by_email("ann@example.com", {"_fname": f"n{n}"}) for n in range(12)]
    bury(drain, client, connection, *imports)
    # Buried in another order than accepted, as when batches are halved.
    connection.execute("UPDATE dead_letters SET entry_id = '9-' || (id % 100)")

    replayed = replay(connection)

    assert [one.import_id for one in replayed] == [one.import_id for one in imports]
    assert field(connection, "_fname") == "n11"


def test_two_replays_at_once_apply_a_letter_once(
    drain: Drain, client: redis.Redis, connection: Connection, database_url: str
) -> None:
    imports = [by_email("ann@example.com", INCR) for _ in range(20)]
    bury(drain, client, connection, *imports)
    letters = find_letter_ids(connection, Selection())
    found: list[int] = []
    barrier = threading.Barrier(3)

    def work() -> None:
        with connect(database_url) as own:
            barrier.wait(DEADLINE_SECONDS)
            done = Replay(own, by="tester").run(letters, dry_run=False)
            found.append(len(done))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert sorted(found) == [0, 0, 20]
    assert field(connection, "points") == 100
    assert count(connection, "imports") == 20


def test_a_replay_that_dies_half_way_leaves_the_letter_as_it_was(
    drain: Drain, client: redis.Redis, connection: Connection, database_url: str
) -> None:
    import_ = by_email("ann@example.com", INCR)
    bury(drain, client, connection, import_)
    letters = find_letter_ids(connection, Selection())
    # The last statement of a replay is made to fail like a lost connection.
    connection.execute(
        """
        CREATE FUNCTION end_it() RETURNS trigger LANGUAGE plpgsql
            AS $$ BEGIN
                PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW;
            END $$;
        CREATE TRIGGER end_it AFTER UPDATE OF resolved_at ON dead_letters
            FOR EACH ROW EXECUTE FUNCTION end_it()
        """
    )
    with connect(database_url) as own, pytest.raises(Exception, match="terminat"):
        Replay(own, by="tester").run(letters, dry_run=False)

    assert states(connection) == {import_.import_id: "dead"}
    assert count(connection, "profiles") == 0
    connection.execute("DROP TRIGGER end_it ON dead_letters")
    assert [one.state for one in replay(connection)] == ["created"]
    assert field(connection, "points") == 5


def test_a_dry_run_says_what_would_happen_and_keeps_nothing(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    append(client, by_email("ann@example.com", {"_fname": "Ann", "points": 1}))
    run(drain)
    good, bad = by_email("ann@example.com", INCR), by_email("b@example.com")
    append(client, good, bad)
    forbid(connection, "false")
    run(drain)
    mend(connection)
    forbid(connection, "email <> 'b@example.com'")
    before = states(connection)

    told = {one.import_id: one for one in replay(connection, dry_run=True)}

    assert told[good.import_id].state == State.UPDATED
    assert told[good.import_id].changed == ("points",)
    assert told[bad.import_id].state == State.DEAD
    assert states(connection) == before
    assert field(connection, "points") == 1
    row = connection.execute(
        "SELECT sum(replays), count(resolved_at) FROM dead_letters"
    )
    assert row.fetchone() == (0, 0)


def test_what_dies_again_stays_open_with_its_new_error(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    import_ = by_email("ann@example.com")
    bury(drain, client, connection, import_)
    connection.execute("ALTER TABLE profiles ADD CONSTRAINT another CHECK (false)")

    (one,) = replay(connection)

    assert (one.state, one.is_resolved) == (State.DEAD, False)
    row = connection.execute(
        "SELECT error_class, replays, resolved_at FROM dead_letters"
    ).fetchone()
    assert row == ("CheckViolation[another]", 1, None)
    assert states(connection) == {import_.import_id: "dead"}


def test_a_letter_that_is_now_refused_is_resolved_by_its_refusal(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    import_ = by_email("ann@example.com", {"points": "many"})
    connection.execute("ALTER TABLE imports ADD CONSTRAINT a_bug CHECK (error = 500)")
    append(client, import_)
    run(drain)
    connection.execute("ALTER TABLE imports DROP CONSTRAINT a_bug")

    (one,) = replay(connection)

    assert (one.state, one.error, one.is_resolved) == (State.REJECTED, 400, True)
    assert states(connection) == {import_.import_id: "rejected"}


def test_an_entry_is_replayed_once_a_release_can_decode_it(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    import_ = by_email("ann@example.com", INCR)
    client.xadd(stream_key(2), {"import": encode(import_).replace(b'"v":1', b'"v":0')})
    run(drain)

    (before,) = replay(connection)
    connection.execute("UPDATE dead_letters SET payload = %s", (encode(import_),))
    (after,) = replay(connection)

    assert (before.state, before.is_resolved) == (UNDECODABLE, False)
    assert (after.state, after.import_id) == (State.CREATED, import_.import_id)
    assert states(connection) == {import_.import_id: "created"}


def test_what_was_applied_meanwhile_is_not_applied_again(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    import_ = by_email("ann@example.com", INCR)
    client.xadd(stream_key(2), {"import": encode(import_).replace(b'"v":1', b'"v":0')})
    # Its producer repeats it to a release that can read it.
    append(client, import_)
    run(drain)
    connection.execute("UPDATE dead_letters SET payload = %s", (encode(import_),))

    (one,) = replay(connection)

    assert (one.state, one.error, one.is_resolved) == (KNOWN, 0, True)
    assert field(connection, "points") == 5


def test_a_dead_import_that_is_sent_again_is_answered_and_left_to_the_operator(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    import_ = by_email("ann@example.com", INCR)
    bury(drain, client, connection, import_)

    append(client, import_, partition=3)
    run(drain)
    untouched = states(connection)
    replay(connection)
    append(client, import_, partition=3)
    run(drain)

    assert untouched == {import_.import_id: "dead"}
    assert states(connection) == {import_.import_id: "created"}
    assert field(connection, "points") == 5


def test_a_letter_says_how_many_imports_overtook_it(
    drain: Drain, client: redis.Redis, connection: Connection
) -> None:
    late = by_email("ann@example.com", {"_fname": "late"})
    append(client, late)
    forbid(connection, "fields ->> '_fname' IS DISTINCT FROM 'late'")
    run(drain)
    mend(connection)
    for number in range(3):
        append(client, by_email("ann@example.com", {"_fname": f"n{number}"}))
    append(client, by_email("bob@example.com"))
    run(drain)

    (one,) = replay(connection)

    assert one.overtaken_by == 3
    assert field(connection, "_fname") == "late"


def test_a_replay_goes_on_while_workers_apply_to_the_same_profile(
    drain: Drain, client: redis.Redis, connection: Connection, database_url: str
) -> None:
    letters = [by_email(f"n{n % 5}@example.com", INCR) for n in range(100)]
    bury(drain, client, connection, *letters)
    append(client, *(by_email(f"n{n % 5}@example.com", INCR) for n in range(100)))
    found = find_letter_ids(connection, Selection())

    thread = threading.Thread(target=run, args=(drain,))
    thread.start()
    with connect(database_url) as own:
        for start in range(0, 100, 10):
            Replay(own, by="tester").run(found[start : start + 10], dry_run=False)
    thread.join(timeout=60)
    run(drain)

    rows = connection.execute("SELECT fields -> 'points' FROM profiles").fetchall()
    assert [points for (points,) in rows] == [200] * 5
    assert set(states(connection).values()) <= {"created", "updated"}
    assert count(connection, "imports") == 200
