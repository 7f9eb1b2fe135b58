"""Who says of persons that they are subscribed, whatever they said themselves.

Run as a process of its own, `python -m tests.chaos.resubscribers`, until SIGTERM;
persons that are under way are finished. It ends with status 1 if it is answered what it
must not.
"""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256

import orjson

from tests.chaos.lines import (
    insist,
    make_command,
    submit,
    submit_until,
)
from tests.chaos.producer import Sender, UnexpectedAnswer
from tests.chaos.subscribers import (
    DATABASE,
    STOP_LIST,
    Act,
    Move,
    Subscriber,
)

_CONNECTIONS = 3
_API = "/api/v1.1/"
_IMPORT = f"{_API}profiles/import"
_APPLIED = ("updated", "unchanged", "rejected", "dead")
#: What an undo may be refused for: its profile was merged, or nothing tells any more.
_CANNOT_UNDO = (409, 410)
#: An intake has not read yet that there is the list.
_NO_LIST_YET = "Suppression list not found"


@dataclass
class Resubscriber:
    """Plays one person: all is accepted at the end, and merges are applied."""

    sender: Sender
    planned: Subscriber
    #: The contact is on the list.
    listed: threading.Event = field(default_factory=threading.Event)
    _import_ids: dict[int, str] = field(default_factory=dict)
    _after_listing: list[str] = field(default_factory=list)
    _profiles: list[str] = field(default_factory=list)

    def play(self) -> Subscriber:
        """Create both profiles, then make all other moves over several connections."""
        moves = self.planned.moves()
        for place in (0, 1):
            self._profiles.append(self._create(place, moves[place]))
        rest = range(2, len(moves))
        with ThreadPoolExecutor(_CONNECTIONS) as pool:
            shares = [rest[first::_CONNECTIONS] for first in range(_CONNECTIONS)]
            for _ in pool.map(self._make_moves, shares):
                pass
        return replace(
            self.planned,
            import_ids=[self._import_ids.get(place, "") for place in range(len(moves))],
            after_listing=self._after_listing,
        )

    def _create(self, place: int, move: Move) -> str:
        """Create a profile; return its id, once that is known."""
        self._import(self.sender, place, move)
        key, document = f"{self.planned.name}-{place}", self.planned.write(move, "")
        answer = submit_until(self.sender, key, _IMPORT, document, "profile_id")
        return str(answer["profile_id"])

    def _make_moves(self, places: Iterable[int]) -> None:
        sender, moves = self.sender.clone(), self.planned.moves()
        for place in places:
            move = moves[place]
            if move.act is Act.LIST:
                self._list(sender, move)
            elif move.act is Act.MERGE:
                self._merge(sender, move)
            else:
                self._import(sender, place, move)
                if move.is_undone:
                    self._undo(sender, self._import_ids[place])
        sender.close()

    def _import(self, sender: Sender, place: int, move: Move) -> None:
        is_listed = self.listed.is_set()
        document = self.planned.write(move, datetime.now(UTC).isoformat())
        key = f"{self.planned.name}-{place}"
        import_id = str(submit(sender, key, _IMPORT, document)["import_id"])
        self._import_ids[place] = import_id
        if is_listed and move.act is Act.RAISE:
            self._after_listing.append(import_id)

    def _list(self, sender: Sender, move: Move) -> None:
        """Put the contact on the list: by its hash, all profiles are looked through."""
        contact = self.planned.contact
        named = {"contacts": [contact]}
        if move.is_exact:
            named = {"sha256": [sha256(contact.encode()).hexdigest()]}
        key, document = f"{self.planned.name}-list", {"list_id": STOP_LIST, **named}
        status, answer = insist(
            lambda: sender.ask(key, f"{_API}suppressions/add", document),
            lambda answer: str(answer["error_text"]).startswith(_NO_LIST_YET),
        )
        _check(key, status, answer)
        self.listed.set()

    def _merge(self, sender: Sender, move: Move) -> None:
        """Make one profile of the two; and part them again, if it is to be undone."""
        named = {
            "db_id": DATABASE,
            "profiles": self._profiles,
            "fields": {"points": "sum"},
        }
        merged = self._operate(sender, "merge", named)
        if move.is_undone:
            parted = {"db_id": DATABASE, "merge_id": merged}
            self._operate(sender, "unmerge", parted)

    def _operate(
        self, sender: Sender, operation: str, document: dict[str, object]
    ) -> str:
        """Ask for a merge or its undo, and wait until it is applied; return its id."""
        key, path = f"{self.planned.name}-{operation}", f"{_API}profiles/{operation}"
        answer = submit_until(sender, key, path, document, "state")
        if answer["state"] != "updated":
            raise UnexpectedAnswer(f"{key}: {answer}")
        return str(answer["import_id"])

    def _undo(self, sender: Sender, import_id: str) -> None:
        """Take an import back, once it is applied, without restoring any consent."""
        path = f"{_API}imports/{import_id}"
        insist(
            lambda: sender.get(path),
            lambda answer: answer.get("state") not in _APPLIED,
        )
        key = f"{self.planned.name}-undo-{import_id}"
        status, answer = insist(lambda: sender.ask(key, f"{path}/undo", {}))
        if answer["error"] not in _CANNOT_UNDO:
            _check(key, status, answer)


def _check(key: str, status: int, answer: dict[str, object]) -> None:
    if status not in (200, 202) or answer["error"]:
        raise UnexpectedAnswer(f"{key}: {status} {orjson.dumps(answer).decode()}")


def play(sender: Sender, name: str) -> Subscriber:
    """Play a person; what is said of it, and when, its name chooses."""
    return Resubscriber(sender, Subscriber(name=name)).play()


main = make_command(
    play, named="subscriber", lines=4, pause_seconds=1.0, said="persons resubscribed"
)


if __name__ == "__main__":
    main()
