"""What holds of functional updates whatever they say: contract 9.1 and 14, point 7."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.wire.bodies import Format
from tests.documents import fields_of, make_sent, send
from tests.pipeline import Pipeline

#: One database serves every example: what each leaves behind is emptied first.
examples: Callable[..., Any] = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
FORMATS = st.sampled_from(Format)
TAGS = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4)


def empty(pipeline: Pipeline) -> None:
    pipeline.connection.execute("TRUNCATE profiles, match_keys, imports CASCADE")


def increments(
    pipeline: Pipeline, format_: Format, amounts: Sequence[int], start: int
) -> dict[str, Any]:
    empty(pipeline)
    outcome = send(pipeline, format_, {"checks": start})
    for amount in amounts:
        send(pipeline, format_, {"checks": {"action": "incr", "value": amount}})
    return fields_of(pipeline, outcome)


@pytest.mark.fact("9.1-incr-commutes")
@examples
@given(
    format_=FORMATS,
    start=st.integers(-(2**40), 2**40),
    orders=st.lists(st.integers(-(2**40), 2**40), min_size=2, max_size=5).flatmap(
        lambda amounts: st.tuples(st.just(amounts), st.permutations(amounts))
    ),
)
def test_the_order_of_increments_makes_no_difference(
    pipeline: Pipeline, format_: Format, start: int, orders: tuple[list[int], list[int]]
) -> None:
    one, other = orders

    first = increments(pipeline, format_, one, start)
    second = increments(pipeline, format_, other, start)

    assert first == second == {"checks": start + sum(one)}


@pytest.mark.fact("9.1-sets")
@examples
@given(
    format_=FORMATS,
    start=TAGS,
    steps=st.lists(st.tuples(st.sampled_from(["add", "delete"]), TAGS), max_size=5),
)
def test_adding_and_deleting_tags_are_operations_on_sets(
    pipeline: Pipeline,
    format_: Format,
    start: list[str],
    steps: list[tuple[str, list[str]]],
) -> None:
    empty(pipeline)
    expected = set(start)

    outcome = send(pipeline, format_, {"interests": start})
    for action, tags in steps:
        send(pipeline, format_, {"interests": {"action": action, "value": tags}})
        expected = expected | {*tags} if action == "add" else expected - {*tags}

    tags = fields_of(pipeline, outcome)["interests"]
    assert set(tags) == expected
    assert len(tags) == len(expected)


def a_function(action: str, value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return value.map(lambda drawn: {"action": action, "value": drawn})


OBJECTS = st.lists(st.fixed_dictionaries({"id": st.sampled_from("ABC")}), min_size=1)
FUNCTIONS = st.fixed_dictionaries(
    {},
    optional={
        "checks": a_function("incr", st.integers(-9, 9)),
        "score": a_function("incr", st.integers(-9, 9)),
        "interests": a_function("add", TAGS) | a_function("delete", TAGS),
        "orders": a_function("add", OBJECTS) | a_function("delete", OBJECTS),
        "phones": a_function("add", st.just(["+79000000001"])),
        "_fname": a_function("set", st.just("Ann")) | st.just({"action": "unset"}),
        "address": st.just({"action": "upsert", "value": "x", "submatch": "a.b"}),
        "email": st.just("bea@example.com"),
    },
)


@pytest.mark.fact("14.7-once")
@examples
@given(format_=FORMATS, before=FUNCTIONS, functions=FUNCTIONS)
def test_an_import_applied_again_changes_nothing_more(
    pipeline: Pipeline,
    format_: Format,
    before: dict[str, Any],
    functions: dict[str, Any],
) -> None:
    empty(pipeline)
    send(pipeline, format_, before)
    import_ = make_sent(format_, functions)

    (outcome,) = pipeline.apply(import_)
    after = stored(pipeline)
    (answer,) = pipeline.apply_batch([import_]).repeated

    assert (answer.error, answer.profile_id) == (outcome.error, outcome.profile_id)
    assert stored(pipeline) == after
    assert pipeline.count("imports") == 2


def stored(pipeline: Pipeline) -> list[Any]:
    return pipeline.connection.execute(
        "SELECT id, email, phones, fields, version FROM profiles ORDER BY id"
    ).fetchall()
