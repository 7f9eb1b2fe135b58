"""Persons of whom imports say again and again that they are subscribed.

Some say it without a basis, some with one, some with one that is older than the
opt-out; meanwhile the person opts out, goes on a suppression list, and is merged.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from ingest.domain.catalog import Channel, Resource, SuppressionList
from ingest.domain.consent import ConsentPolicy

#: Subscribers have a database of their own, which the check of the rest does not read.
DATABASE = 6
#: Both are guarded; where opt-outs are followed, they put the contact on a list.
PLAIN, FOLLOWED = 61, 62
RESOURCES = (PLAIN, FOLLOWED)
#: Contacts go on the first list by requests, on the second by opt-outs.
STOP_LIST, OPT_OUT_LIST = 61, 62
#: Of both lists.
LISTED_STATUS = "unsubscribed"
#: The opt-outs that are followed.
SUPPRESS_ON = frozenset({"unsubscribed", "complained"})
#: The source of a basis by which a status may be raised.
FORM = "form"

#: Each so often; profiles are merged once, and persons listed, if at all.
_CLAIMS, _LATE_CLAIMS, _OPT_OUTS, _RAISES = 6, 2, 4, 4
_DATE_OF_DUMP = "2020-01-01T00:00:00Z"
_OPT_OUT_STATUSES = ("unsubscribed", "unsubscribed", "complained", "hardbounced")


def make_resources() -> dict[int, Resource]:
    """Return the guarded resources of the"""
    plain = Resource(
        id=PLAIN,
        name="Plain",
        account_id=1,
        database_ids=frozenset({DATABASE}),
        channels=frozenset({Channel.EMAIL}),
        consent=ConsentPolicy.GUARDED,
        consent_history=True,
    )
    followed = replace(
        plain,
        id=FOLLOWED,
        name="Followed",
        suppress_on=SUPPRESS_ON,
        suppress_list_id=OPT_OUT_LIST,
    )
    return {each.id: each for each in (plain, followed)}


def make_lists() -> dict[int, SuppressionList]:
    """Return the suppression lists of their contacts."""
    stop = SuppressionList(
        id=STOP_LIST,
        name="Stop",
        account_id=1,
        resource_ids=frozenset(RESOURCES),
        status=LISTED_STATUS,
    )
    opt_outs = replace(
        stop,
        id=OPT_OUT_LIST,
        name="Opted out",
        resource_ids=frozenset({FOLLOWED}),
    )
    return {each.id: each for each in (stop, opt_outs)}


class Act(StrEnum):
    """The kinds of what is done about a subscriber."""

    #: Says `subscribed` without a basis.
    CLAIM = "claim"
    #: With one that is older than every opt-out.
    LATE_CLAIM = "late claim"
    #: With a valid one; it counts if it is newer than what is stored.
    RAISE = "raise"
    #: Says a status that forbids more.
    OPT_OUT = "opt-out"
    #: Puts the contact on a suppression list.
    LIST = "list"
    #: Makes one profile of the two.
    MERGE = "merge"

    @property
    def is_import(self) -> bool:
        """Whether it is an import."""
        return self not in (Act.LIST, Act.MERGE)

    @property
    def counts(self) -> bool:
        """Whether it is an increment, too."""
        return self in (Act.CLAIM, Act.LATE_CLAIM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One thing that is done about a subscriber."""

    act: Act
    #: Of which of the two profiles.
    profile: int = 0
    resources: Sequence[int] = RESOURCES
    status: str = "subscribed"
    #: A raise says when the person decided; an addition names the contact's hash.
    is_exact: bool = False
    #: It is taken back: an opt-out or raise by an undo, a merge likewise.
    is_undone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriber:
    """One person, as it is written down once all is accepted."""

    name: str
    #: Of each move its import; empty for what is none.
    import_ids: Sequence[str] = ()
    #: Raises that were sent once the contact was on the list.
    after_listing: Sequence[str] = ()

    @property
    def contact(self) -> str:
        """The email that both profiles are subscribed with."""
        return f"{self.name}@chaos.example"

    @property
    def emails(self) -> tuple[str, str]:
        """The emails that the two profiles are found by."""
        first, second = (f"{self.name}-{one}@chaos.example" for one in "ab")
        return first, second

    @property
    def is_listed(self) -> bool:
        """Whether the contact went on the list."""
        return any(move.act is Act.LIST for move in self.moves())

    @property
    def points(self) -> int:
        """How many increments by 1 there are."""
        return sum(move.act.counts for move in self.moves())

    def moves(self) -> list[Move]:
        """Return all moves: both profiles are created first, the rest is shuffled."""
        chance = random.Random(self.name)
        rest = list(_draw_moves(chance))
        chance.shuffle(rest)
        return [*(Move(act=Act.CLAIM, profile=one) for one in (0, 1)), *rest]

    def write(self, move: Move, now: str) -> dict[str, Any]:
        """Return the document of a move that is an import."""
        document: dict[str, Any] = {
            "db_id": DATABASE,
            "matching": "email_profile",
            "email": self.emails[move.profile],
            "data": {
                "subscriptions": [
                    {
                        "resource_id": resource,
                        "channel": "email",
                        "email": self.contact,
                        "status": move.status,
                    }
                    for resource in move.resources
                ]
            },
        }
        if move.act.counts:
            document["data"]["points"] = {"action": "incr", "value": 1}
        if move.act is Act.RAISE:
            dated = {"time": now} if move.is_exact else {}
            document["consent"] = {"raise": True, "source": FORM, **dated}
        if move.act is Act.LATE_CLAIM:
            basis = {"raise": True, "source": "dump", "time": _DATE_OF_DUMP}
            document["consent"] = basis
        return document


def _draw_moves(chance: random.Random) -> Iterator[Move]:
    for act, times in (
        (Act.CLAIM, _CLAIMS),
        (Act.LATE_CLAIM, _LATE_CLAIMS),
        (Act.RAISE, _RAISES),
        (Act.OPT_OUT, _OPT_OUTS),
    ):
        for _ in range(times):
            yield _draw_import(act, chance)
    if chance.random() < 0.4:
        yield Move(act=Act.LIST, is_exact=chance.random() < 0.2)
    if chance.random() < 0.7:
        yield Move(act=Act.MERGE, is_undone=chance.random() < 0.6)


def _draw_import(act: Act, chance: random.Random) -> Move:
    opts_out = act is Act.OPT_OUT
    chosen = chance.choice([[PLAIN], [FOLLOWED], list(RESOURCES)])
    return Move(
        act=act,
        profile=chance.randrange(2),
        resources=chosen,
        status=chance.choice(_OPT_OUT_STATUSES) if opts_out else "subscribed",
        is_exact=chance.random() < 0.5,
        is_undone=(opts_out or act is Act.RAISE) and chance.random() < 0.3,
    )
