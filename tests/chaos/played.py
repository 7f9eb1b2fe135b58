"""What is played in databases of its own, while the rest is loaded and broken.

Each kind is played by a process, which writes down what came to its end.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.cases import Case
from tests.chaos.lines import read_played
from tests.chaos.pairs import Pair
from tests.chaos.rounds import Round
from tests.chaos.shuffles import Shuffle
from tests.chaos.subscribers import Subscriber

#: The options of each module that plays, by the name of its log.
PLAYERS: Mapping[str, Sequence[str]] = {
    "rounds": ["tests.chaos.undoers"],
    "pairs": ["tests.chaos.mergers"],
    "cases": ["tests.chaos.deciders"],
    "shuffles": ["tests.chaos.latecomers"],
    "subscribers": ["tests.chaos.resubscribers"],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All that was played to its end."""

    #: Wrong files that were undone.
    rounds: Sequence[Round] = ()
    #: Profiles that were merged and parted.
    pairs: Sequence[Pair] = ()
    #: Held imports that were decided.
    cases: Sequence[Case] = ()
    #: Dated updates that came late.
    shuffles: Sequence[Shuffle] = ()
    #: Persons who opted out, of whom imports said that they are subscribed.
    subscribers: Sequence[Subscriber] = ()

    def __str__(self) -> str:
        return (
            f"{len(self.rounds)} files that were undone, {len(self.pairs)} pairs, "
            f"{len(self.cases)} cases, {len(self.shuffles)} shuffles, "
            f"{len(self.subscribers)} subscribers"
        )


NOTHING = Played()


def play_large_undo(rows: int) -> Sequence[str]:
    """Return the options to play one round, whose wrong file has so many rows."""
    people = 12 * -(-rows // 10)
    return ["tests.chaos.undoers", f"--people={people}", "--lines=1", "--most=1"]


def read_all(directory: Path) -> Played:
    """Read the logs in `directory`."""
    return Played(
        rounds=[
            one
            for log in sorted(directory.glob("rounds*.played"))
            for one in read_played(log, Round)
        ],
        pairs=read_played(directory / "pairs.played", Pair),
        cases=read_played(directory / "cases.played", Case),
        shuffles=read_played(directory / "shuffles.played", Shuffle),
        subscribers=read_played(directory / "subscribers.played", Subscriber),
    )
