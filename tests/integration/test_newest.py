"""The newest of the profiles that match, whatever else the batch asks for: A4."""

from collections.abc import Sequence
from typing import Any

import pytest

from ingest.domain.imports import Import, OnAmbiguous, Outcome, State
from ingest.domain.lookups import CANDIDATES, PHONE
from tests.factories import make_import
from tests.pipeline import Pipeline
from tests.plans import watching

WANTED = "+2347046223160"
#: How the statements read, that find the holders of a key.
OLDEST, NEWEST = "ORDER BY profile_id\n", "ORDER BY profile_id DESC\n"
SMS = {"channel": "sms", "phone": WANTED}


def add(pipeline: Pipeline, count: int, **data: Any) -> list[str]:
    """Create profiles with the phone, and more; return their ids, the oldest first."""
    return sorted(
        pipeline.create({"email": f"n{number}@example.com", "phones": [WANTED]} | data)
        for number in range(count)
    )


def ask(policy: str, **data: Any) -> Import:
    changes = {"on_ambiguous": OnAmbiguous(policy)}
    return make_import("phone", data, key={"phone": WANTED}, **changes)


def move(profile_id: str) -> Import:
    """Return an import that takes the phone from a profile."""
    return make_import(
        "profile_id", {"phones": ["+79000000001"]}, key={"profile_id": profile_id}
    )


def store_orphans(pipeline: Pipeline, numbers: Sequence[int]) -> None:
    """Store keys of profiles that do not exist: newer ones than there can be."""
    pipeline.connection.execute(
        """
        INSERT INTO match_keys (database_id, kind, value, profile_id, exclusive)
        SELECT 1, %s, %s, 'f' || lpad(to_hex(number), 23, '0'), false
          FROM unnest(%s::integer[]) AS number
        """,
        (PHONE, WANTED, list(numbers)),
    )


def chosen(outcomes: Sequence[Outcome]) -> list[str | None]:
    return [one.profile_id for one in outcomes]


@pytest.mark.fact("A.4-newest")
@pytest.mark.parametrize("count", [2, CANDIDATES, CANDIDATES + 1, 3 * CANDIDATES])
def test_imports_of_one_batch_choose_each_by_its_own_policy(
    pipeline: Pipeline, count: int
) -> None:
    ids = add(pipeline, count)
    policies = ["newest", "oldest", "reject", "newest", "first"]
    outcomes = pipeline.apply(*(ask(policy, points=1) for policy in policies))

    assert chosen(outcomes) == [ids[-1], ids[0], None, ids[-1], None]
    assert [one.error for one in outcomes] == [0, 0, 409, 0, 409]


@pytest.mark.fact("A.4-newest")
def test_a_profile_of_the_same_batch_is_the_newest(pipeline: Pipeline) -> None:
    ids = add(pipeline, CANDIDATES + 1)
    new = make_import("email", {"email": "z@example.com", "phones": [WANTED]})
    created, updated = pipeline.apply(new, ask("newest", points=1))

    assert created.state is State.CREATED
    # Of the same second, it is the one with the highest id.
    assert updated.profile_id == max(*ids, str(created.profile_id))


@pytest.mark.fact("A.4-newest")
@pytest.mark.parametrize(
    "count", [1, CANDIDATES - 1, CANDIDATES, 3 * CANDIDATES, 100], ids=str
)
def test_orphans_do_not_hide_the_newest(pipeline: Pipeline, count: int) -> None:
    ids = add(pipeline, CANDIDATES + 2)
    store_orphans(pipeline, range(count))

    outcomes = pipeline.apply(ask("newest", points=1), ask("oldest", points=2))

    assert chosen(outcomes) == [ids[-1], ids[0]]


@pytest.mark.fact("A.4-newest")
def test_where_more_orphans_hide_it_than_are_read_nobody_is_chosen(
    pipeline: Pipeline,
) -> None:
    ids = add(pipeline, 2)
    store_orphans(pipeline, range(5000))

    by_age = pipeline.apply(ask("oldest", points=1), ask("newest", points=2))

    assert chosen(by_age) == [ids[0], None]
    assert by_age[1].error == 409


@pytest.mark.fact("A.4-newest", "A.4-oldest")
@pytest.mark.parametrize("policy", ["newest", "oldest"])
def test_where_a_batch_has_changed_all_that_were_read_nobody_is_chosen(
    pipeline: Pipeline, policy: str
) -> None:
    """Others may hold the key that nobody has read: what is left is not the newest."""
    ids = add(pipeline, 3 * CANDIDATES)
    other = "oldest" if policy == "newest" else "newest"
    read = ids[-CANDIDATES:] if policy == "newest" else ids[:CANDIDATES]

    *_, late = pipeline.apply(ask(other), *map(move, read), ask(policy, points=1))
    (alone,) = pipeline.apply(ask(policy, points=1))

    assert (late.error, late.profile_id) == (409, None)
    left = [id_ for id_ in ids if id_ not in read]
    assert alone.profile_id == left[-1 if policy == "newest" else 0]


@pytest.mark.fact("A.4-newest")
def test_the_newest_with_all_tags_is_chosen(pipeline: Pipeline) -> None:
    both = add(pipeline, CANDIDATES + 2, interests=["yoga", "tea"])
    pipeline.create({"email": "z@example.com", "interests": ["yoga"]})
    key = {"field_name": "interests", "field_value": "tea, yoga"}
    oldest, newest = (
        make_import("custom", {}, key=key, on_ambiguous=OnAmbiguous(policy))
        for policy in ("oldest", "newest")
    )

    assert chosen(pipeline.apply(oldest, newest)) == [both[0], both[-1]]


@pytest.mark.fact("A.4-newest")
def test_the_newest_on_a_resource_is_chosen(pipeline: Pipeline) -> None:
    here = add(
        pipeline, CANDIDATES + 2, subscriptions=[{**SMS, "resource_id": 1}], phones=[]
    )
    pipeline.create(
        {"email": "z@example.com", "subscriptions": [{**SMS, "resource_id": 2}]}
    )
    asked = make_import(
        "phone_sub",
        {"points": 1},
        key={"phone": WANTED},
        resource_id=1,
        on_ambiguous=OnAmbiguous.NEWEST,
    )

    assert chosen(pipeline.apply(asked)) == [here[-1]]


@pytest.mark.fact("A.4-newest")
def test_an_id_is_the_newest_of_one(pipeline: Pipeline) -> None:
    (profile_id, *_) = add(pipeline, 2)
    by_id = make_import(
        "profile_id",
        {"points": 1},
        key={"profile_id": profile_id},
        on_ambiguous=OnAmbiguous.NEWEST,
    )

    assert chosen(pipeline.apply(by_id)) == [profile_id]


@pytest.mark.fact("A.4-newest")
def test_who_does_not_ask_for_the_newest_does_not_look_for_it(
    pipeline: Pipeline,
) -> None:
    add(pipeline, 2)
    with watching(pipeline.connection) as seen:
        pipeline.apply(ask("oldest", points=1), ask("reject"))
    assert [OLDEST in plan for plan in seen].count(True) == 1
    assert not any(NEWEST in plan for plan in seen)

    with watching(pipeline.connection) as seen:
        pipeline.apply(ask("newest", points=1))
    (plan,) = [plan for plan in seen if NEWEST in plan]
    assert "Index Only Scan Backward using match_keys" in plan
    # What is read from the one end is not read from the other as well.
    assert not any(OLDEST in plan for plan in seen)
