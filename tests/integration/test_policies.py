"""Eleven matching modes by six policies: what becomes of an import (A1 to A7)."""

from collections.abc import Mapping

import pytest

from ingest.domain.imports import Import, Matching, OnAmbiguous, Otherwise, State
from tests.factories import make_import
from tests.modes import CASES
from tests.pipeline import Pipeline

#: Every policy is for one profile, for the key of the mode has one at most.
UNIQUE = ("found",) * len(OnAmbiguous)
#: Why profiles are not merged that a phone, or something else, has found.
PHONE, PUSH = "phone is no proof", "push is no proof"
TAGS, SCAN = "interests is no proof", "a field of subscriptions is no proof"
#: By mode, for each policy in its order: whom it chooses, or why it does not merge.
#: `found` has the key itself, or as the first kind of contact, and was created first.
TABLE: Mapping[str, tuple[str, ...]] = {
    "email": ("reject", "found", "oldest", "newest", "merged", "hold"),
    "email_profile": UNIQUE,
    "email_sub": ("reject", "undecided", "oldest", "newest", "merged", "hold"),
    "phone": ("reject", "found", "oldest", "newest", PHONE, "hold"),
    "phone_sub": ("reject", "undecided", "oldest", "newest", PHONE, "hold"),
    "profile_id": UNIQUE,
    "push_sub": ("reject", "undecided", "oldest", "newest", PUSH, "hold"),
    "custom": ("reject", "undecided", "oldest", "newest", TAGS, "hold"),
    "custom_sub": ("reject", "undecided", "oldest", "newest", SCAN, "hold"),
    "email_phone": ("reject", "found", "oldest", "newest", PHONE, "hold"),
    "email_phone_sub": ("reject", "found", "oldest", "newest", PHONE, "hold"),
}
POLICIES = (
    *(OnAmbiguous.REJECT, OnAmbiguous.FIRST, OnAmbiguous.OLDEST),
    *(OnAmbiguous.NEWEST, OnAmbiguous.MERGE, OnAmbiguous.HOLD),
)
CELLS = [
    pytest.param(mode, policy, told, id=f"{mode} by {policy}")
    for mode, row in TABLE.items()
    for policy, told in zip(POLICIES, row, strict=True)
]
DECIDED = ("found", "oldest", "newest", "merged")


def test_the_table_is_of_every_mode_and_policy() -> None:
    assert {*TABLE} == {*Matching}
    assert tuple(OnAmbiguous) == POLICIES


def store(pipeline: Pipeline, mode: str) -> tuple[str, list[str]]:
    """Create who is found; return the first, and all from the oldest on."""
    if mode == "profile_id":
        found = pipeline.create({"email": "a@example.com"})
        pipeline.create({"email": "b@example.com"})
        return found, [found]
    case = CASES[mode]
    found = pipeline.create(case.holder)
    if case.second is None:
        return found, [found]
    return found, sorted([found, pipeline.create(case.second)])


def ask(mode: str, policy: OnAmbiguous, found: str, otherwise: Otherwise) -> Import:
    key = CASES[mode].key if mode in CASES else {"profile_id": found}
    changes = {"on_ambiguous": policy, "otherwise": otherwise}
    return make_import(mode, {"_fname": "Ann"}, key=key, **changes)


@pytest.mark.fact("A.5-table", "A.1-policy", "A.1-otherwise", "A.2-candidates")
@pytest.mark.parametrize(("mode", "policy", "told"), CELLS)
def test_each_policy_has_one_outcome_for_each_mode(
    pipeline: Pipeline, mode: str, policy: OnAmbiguous, told: str
) -> None:
    found, ids = store(pipeline, mode)
    count = pipeline.count("profiles")
    rejected, held = (
        pipeline.apply(ask(mode, policy, found, otherwise))[0]
        for otherwise in (Otherwise.REJECT, Otherwise.HOLD)
    )

    assert [one.profile_id for one in rejected.candidates] == ids[: len(ids) * 2 - 2]
    if told in DECIDED:
        expected = {"oldest": ids[0], "newest": ids[-1]}.get(told, found)
        # What the one decides is settled before the other.
        assert (rejected.state, rejected.profile_id) == (State.UPDATED, expected)
        assert (held.state, held.profile_id) == (State.UNCHANGED, expected)
        others = tuple(id_ for id_ in ids if id_ != found)
        assert rejected.profiles == (others if told == "merged" else ())
        assert pipeline.profile(expected)["fields"]["_fname"] == "Ann"
        assert pipeline.count("profiles") == count - (told == "merged")
        return
    states = {"hold": (State.HELD, State.HELD), "reject": (State.REJECTED,) * 2}
    expects = states.get(told, (State.REJECTED, State.HELD))
    assert (rejected.state, held.state) == expects
    assert [pipeline.profile(id_)["version"] for id_ in ids] == [1, 1]
    if State.REJECTED in expects:
        why = f" (not merged, {told})" if policy is OnAmbiguous.MERGE else ""
        assert rejected.error_text.startswith(f"2 profiles match{why}: ")
    if expects[0] is not expects[1]:
        why = f" ({told})" if policy is OnAmbiguous.MERGE else ""
        (warning,) = held.warnings
        assert warning.text == f"Not decided by the policy {policy}{why}"
        assert held.candidates == rejected.candidates
