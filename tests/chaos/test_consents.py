"""The check of chaos runs finds who is subscribed again without having said so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos.check import Breach, find_breaches
from tests.chaos.ledger import Ledger
from tests.chaos.played import Played
from tests.chaos.status_stories import (
    KEEPER,
    Consents,
    KeptStatus,
    Place,
    StatusLine,
    StatusReceipt,
)
from tests.chaos.subscribers import FOLLOWED, FORM, PLAIN, Act, Move, Subscriber


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted(Subscriber):
    """A subscriber of whom these moves are made; the imports are called by places."""

    script: Sequence[Move]

    def moves(self) -> list[Move]:
        return [*self.script]


def make_one(*moves: Move, **more: Any) -> Scripted:
    ids = [str(place) if one.act.is_import else "" for place, one in enumerate(moves)]
    return Scripted(name="one", script=moves, import_ids=ids, **more)


def say(act: Act, *resources: int, **more: Any) -> Move:
    return Move(act=act, resources=resources, **more)


def at(second: int) -> datetime:
    return datetime(2026, 12, 1, 1, 30, second, tzinfo=UTC)


def make_receipt(import_id: str, turn: int, profile: str, **more: Any) -> StatusReceipt:
    known = {"state": "updated", "profile_id": profile}
    return StatusReceipt(**{**known, "import_id": import_id, "turn": turn, **more})


def make_line(place: Place, status: str, since: int, **more: Any) -> StatusLine:
    profile_id, resource_id = place
    return StatusLine(
        profile_id=profile_id,
        resource_id=resource_id,
        status=status,
        since=at(since),
        **more,
    )


def keep(reason: str, stored: str = "unsubscribed") -> dict[int, KeptStatus]:
    return {PLAIN: KeptStatus(reason=reason, sent="subscribed", stored=stored)}


SUB, OUT, SPAM, BOUNCE = "subscribed", "unsubscribed", "complained", "hardbounced"
#: Of two profiles, on each resource.
P, P_FOLLOWED, Q, Q_FOLLOWED = (
    (profile, resource) for profile in "pq" for resource in (PLAIN, FOLLOWED)
)
ONE = make_one(
    say(Act.CLAIM, PLAIN, FOLLOWED),
    say(Act.CLAIM, PLAIN, FOLLOWED, profile=1),
    say(Act.OPT_OUT, PLAIN, status=OUT),
    say(Act.CLAIM, PLAIN),
    say(Act.LATE_CLAIM, PLAIN),
    say(Act.RAISE, PLAIN),
    # Its contact goes on the list, by which the other profile's is lowered.
    say(Act.OPT_OUT, FOLLOWED, status=SPAM),
    say(Act.MERGE, is_undone=True),
    say(Act.OPT_OUT, PLAIN, status=BOUNCE, is_undone=True),
)
CREATED = {PLAIN: (None, SUB), FOLLOWED: (None, SUB)}
RECEIPTS = {
    one.import_id: one
    for one in (
        make_receipt("0", 10, "p", state="created", statuses=CREATED),
        make_receipt("1", 11, "q", state="created", statuses=CREATED),
        make_receipt("2", 12, "p", statuses={PLAIN: (SUB, OUT)}),
        make_receipt("3", 13, "p", kept=keep("no basis")),
        make_receipt("4", 14, "p", kept=keep("older than the opt-out")),
        make_receipt("5", 15, "p", statuses={PLAIN: (OUT, SUB)}),
        make_receipt("6", 16, "p", statuses={FOLLOWED: (SUB, SPAM)}),
        make_receipt("low", 17, "q", door=KEEPER, statuses={FOLLOWED: (SUB, OUT)}),
        make_receipt("merge", 18, "p", profiles=["q"]),
        make_receipt("part", 19, "p", profiles=["q"], undoes="merge"),
        make_receipt("8", 20, "p", statuses={PLAIN: (SUB, BOUNCE)}),
        make_receipt("undo", 21, "p", undoes="8", kept=keep("consent", BOUNCE)),
    )
}
LINES = {
    (one.place, one.ended_by): one
    for one in (
        make_line(P, SUB, 0, by="0", until=at(2), ended_by="2"),
        make_line(P, OUT, 2, by="2", until=at(5), ended_by="5"),
        make_line(P, SUB, 1, by="4", until=at(1), ended_by="4", applied=False),
        make_line(P, SUB, 5, by="5", source=FORM, until=at(8), ended_by="8"),
        make_line(P, BOUNCE, 8, by="8"),
        make_line(P_FOLLOWED, SUB, 0, by="0", until=at(6), ended_by="6"),
        make_line(P_FOLLOWED, SPAM, 6, by="6"),
        make_line(Q, SUB, 1, by="1", until=at(7), ended_by="merge"),
        make_line(Q, SUB, 1, by="1"),
        make_line(Q_FOLLOWED, SUB, 1, by="1", until=at(7), ended_by="low"),
        make_line(Q_FOLLOWED, OUT, 7, by="low", until=at(7), ended_by="merge"),
        # It comes back as what the two forbade as one.
        make_line(Q_FOLLOWED, SPAM, 6, by="6"),
    )
}
POINTS = {"p": 3, "q": 1}


def find(
    receipts: dict[str, StatusReceipt] = RECEIPTS,
    lines: dict[tuple[Place, str | None], StatusLine] = LINES,
    one: Subscriber = ONE,
    **more: Any,
) -> set[Breach]:
    known = {"points": POINTS, **more}
    left = Consents(receipts=[*receipts.values()], lines=[*lines.values()], **known)
    ledger = Ledger(receipts=[], profiles={}, consents=left)
    findings = find_breaches([], ledger, Played(subscribers=[one]))
    return {each.breach for each in findings}


def test_nothing_is_found_where_all_is_as_it_was_said() -> None:
    assert find() == set()


def test_an_undo_that_was_refused_or_could_not_be_done_is_none() -> None:
    for more in ({"state": "rejected"}, {"has_faults": True}):
        undo = make_receipt("undo", 21, "p", undoes="8", **more)
        assert find({**RECEIPTS, "undo": undo}) == set()


def test_an_undo_that_forbids_more_is_clean() -> None:
    """What it undoes was said over a raise that is undone."""
    undo = make_receipt("undo", 21, "p", undoes="8", statuses={PLAIN: (BOUNCE, OUT)})
    ended = make_line(P, BOUNCE, 8, by="8", until=at(9), ended_by="undo")
    lines = {(P, "undo"): ended, (P, None): make_line(P, OUT, 9, by="undo")}

    assert find({**RECEIPTS, "undo": undo}, {**LINES, **lines}) == set()


@pytest.mark.parametrize(
    ("points", "breach"),
    [({"p": 2, "q": 1}, Breach.LOST), ({"p": 4, "q": 1}, Breach.DOUBLED)],
)
def test_increments_that_are_lost_or_doubled_are_found(
    points: dict[str, int], breach: Breach
) -> None:
    assert find(points=points) == {breach}


def test_an_import_without_a_receipt_and_one_with_two_are_found() -> None:
    rest = {id_: one for id_, one in RECEIPTS.items() if id_ != "3"}
    assert find(rest) == {Breach.LOST}
    assert find({**RECEIPTS, "again": RECEIPTS["3"]}) == {Breach.DOUBLED}


@pytest.mark.parametrize(
    "missing",
    [
        pytest.param((P, "2"), id="a change"),
        pytest.param((Q, "merge"), id="an end by a merge"),
        pytest.param((P, "4"), id="said too late"),
        pytest.param((Q_FOLLOWED, "low"), id="a list"),
    ],
)
def test_what_is_not_in_the_history_is_found(missing: tuple[Place, str]) -> None:
    rest = {key: one for key, one in LINES.items() if key != missing}

    assert find(lines=rest) == {Breach.LOST}


def test_what_is_twice_in_the_history_is_found() -> None:
    lines = {**LINES, (P, "again"): LINES[P, "2"]}

    assert find(lines=lines) == {Breach.DOUBLED}


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        pytest.param((P, "8"), {"source": None}, id="none stored"),
        pytest.param((P, "8"), {"source": "dump"}, id="another's"),
        pytest.param((P, "5"), {"since": at(6)}, id="an older one"),
        pytest.param((P, "5"), {"since": at(5)}, id="as old"),
    ],
)
def test_a_raise_whose_basis_is_not_valid_is_found(
    key: tuple[Place, str], changes: dict[str, Any]
) -> None:
    assert find(lines={**LINES, key: replace(LINES[key], **changes)}) == {Breach.WRONG}


@pytest.mark.parametrize("act", [Act.CLAIM, Act.LATE_CLAIM])
def test_a_fall_by_what_is_no_raise_is_found(act: Act) -> None:
    moves = ONE.moves()
    moves[5] = say(act, PLAIN)

    assert find(one=make_one(*moves), points={"p": 4, "q": 1}) == {Breach.WRONG}


def test_a_fall_by_an_undo_is_found() -> None:
    undo = make_receipt("undo", 21, "p", undoes="8", statuses={PLAIN: (BOUNCE, SUB)})
    ended = make_line(P, BOUNCE, 8, by="8", until=at(9), ended_by="undo")
    lines = {(P, "undo"): ended, (P, None): make_line(P, SUB, 9, by="undo")}

    assert find({**RECEIPTS, "undo": undo}, {**LINES, **lines}) == {Breach.WRONG}


def test_a_fall_of_what_is_on_a_list_is_found() -> None:
    assert find(one=replace(ONE, after_listing=["5"])) == {Breach.WRONG}

    # By an opt-out, too, although it is a raise.
    raised = make_receipt("9", 22, "p", statuses={FOLLOWED: (SPAM, SUB)})
    again = make_receipt("10", 23, "p", statuses={FOLLOWED: (SUB, OUT)})
    lines = (
        make_line(P_FOLLOWED, SPAM, 6, by="6", until=at(9), ended_by="9"),
        make_line(P_FOLLOWED, SUB, 9, by="9", source=FORM, until=at(10), ended_by="10"),
        make_line(P_FOLLOWED, OUT, 10, by="10"),
    )
    more = say(Act.RAISE, FOLLOWED), say(Act.OPT_OUT, FOLLOWED, status=OUT)
    assert find(
        {**RECEIPTS, "9": raised, "10": again},
        {**LINES, **{(one.place, one.ended_by): one for one in lines}},
        make_one(*ONE.moves(), *more),
    ) == {Breach.WRONG}


@pytest.mark.parametrize(
    ("import_id", "changes"),
    [
        pytest.param("3", {"kept": {}}, id="no reason"),
        pytest.param("3", {"kept": keep("newer")}, id="a wrong reason"),
        pytest.param("3", {"kept": keep("no basis", SPAM)}, id="another status"),
        pytest.param("5", {"kept": keep("no basis")}, id="kept what is raised"),
        pytest.param("undo", {"kept": {}}, id="a silent undo"),
        pytest.param("3", {"state": "rejected", "kept": {}}, id="rejected"),
        pytest.param("4", {"state": "dead"}, id="dead"),
        pytest.param("5", {"statuses": {PLAIN: (SPAM, SUB)}}, id="of another"),
    ],
)
def test_a_receipt_that_does_not_explain_the_status_is_found(
    import_id: str, changes: dict[str, Any]
) -> None:
    changed = replace(RECEIPTS[import_id], **changes)

    assert Breach.WRONG in find({**RECEIPTS, import_id: changed})


@pytest.mark.parametrize(
    ("place", "status"),
    [
        pytest.param(P, SUB, id="not that of the receipts"),
        pytest.param(Q_FOLLOWED, OUT, id="less than what the merge forbade"),
    ],
)
def test_another_status_than_told_is_found(place: Place, status: str) -> None:
    lines = {**LINES, (place, None): replace(LINES[place, None], status=status)}

    assert find(lines=lines) == {Breach.WRONG}


def test_a_merge_that_allows_more_than_one_of_them_did_is_found() -> None:
    both = {FOLLOWED: (SUB, OUT), PLAIN: (SUB, OUT)}
    lines = {
        (Q, "low"): replace(LINES[Q, "merge"], ended_by="low"),
        (Q, "merge"): replace(LINES[Q, "merge"], status=OUT),
        (Q, None): replace(LINES[Q, None], status=OUT),
    }
    receipts = {**RECEIPTS, "low": replace(RECEIPTS["low"], statuses=both)}

    assert find(receipts, {**LINES, **lines}) == {Breach.WRONG}


def test_who_is_on_a_list_and_still_subscribed_is_found() -> None:
    listed = make_one(*ONE.moves(), Move(act=Act.LIST))
    assert find(one=listed) == {Breach.WRONG}

    # Nobody lowered the other profile after the opt-out.
    late = ("low", "merge", "part")
    receipts = {id_: one for id_, one in RECEIPTS.items() if id_ not in late}
    lines = {key: one for key, one in LINES.items() if key[1] not in late}
    lines[Q_FOLLOWED, None] = make_line(Q_FOLLOWED, SUB, 1, by="1")
    assert find(receipts, lines) == {Breach.WRONG}
    lines[Q_FOLLOWED, None] = make_line(Q_FOLLOWED, OUT, 7, by="low")
    lines[Q_FOLLOWED, "low"] = LINES[Q_FOLLOWED, "low"]
    assert find({**receipts, "low": RECEIPTS["low"]}, lines) == set()


def test_what_is_still_to_be_lowered_is_not_settled() -> None:
    assert find(unlowered=1) == {Breach.UNSETTLED}


def test_subscribers_differ_and_all_acts_come() -> None:
    many = [Subscriber(name=f"subscriber-{number}") for number in range(50)]
    moves = [move for one in many for move in one.moves()]

    assert {move.act for move in moves} == set(Act)
    assert {SUB, OUT, SPAM, BOUNCE} == {move.status for move in moves}
    assert {True, False} == {one.is_listed for one in many}
    for act in (Act.OPT_OUT, Act.RAISE, Act.MERGE):
        chosen = {move.is_undone for move in moves if move.act is act}
        assert chosen == {True, False}
    assert all(one.moves() == one.moves() for one in many)
