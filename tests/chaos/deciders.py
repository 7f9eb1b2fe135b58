"""Who sends imports that two profiles match, and decides on them.

Run as a process of its own, `python -m tests.chaos.deciders`, until SIGTERM; cases that
are under way are finished. It ends with status 1 if it is answered what it must not.
"""

import random
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import orjson

from ingest.wire.held import HeldAction
from tests.chaos.cases import DATABASE, Case
from tests.chaos.lines import (
    RETRY_SECONDS,
    insist,
    make_command,
    submit,
    submit_until,
)
from tests.chaos.producer import Sender, UnexpectedAnswer

#: Imports that are held before the decision, and sent while it is made.
_BEFORE, _MEANWHILE = 3, 3
_LAST_SET = 1000
#: What imports of a case come to.
_DECIDED = ("updated", "rejected", "dead")
_NOT_HELD = "No imports are held under this ID"
_IMPORT = "/api/v1.1/profiles/import"


@dataclass
class Decider:
    """Plays one case: all that it sends is accepted, and decided, at the end."""

    sender: Sender
    case: Case
    _clear: int = 0
    #: Import ids by the keys that they were sent under.
    _held: dict[str, str] = field(default_factory=dict)
    _pause: threading.Event = field(default_factory=threading.Event)

    def play(self) -> Case:
        """Hold some, decide while others come, and go on until none is held."""
        first = self._create("first", self._by_email)
        self._create("second", self._by_phone)
        for number in range(_BEFORE):
            self._send_ambiguous(f"before-{number}", checks=number)
            self._increase(f"between-{number}", self._by_phone)
        self._await_held()
        self._increase("last", self._by_email, checks=_LAST_SET)
        with ThreadPoolExecutor(1) as pool:
            another = Decider(self.sender.clone(), self.case)
            decided = pool.submit(another._decide, first, self._any_held)
            for number in range(_MEANWHILE):
                self._send_ambiguous(f"meanwhile-{number}")
                self._increase(f"aside-{number}", self._by_email)
            decided.result()
        for key in self._held:
            while (state := self._ask_state(key)) not in _DECIDED:
                if state == "held":
                    self._decide(first, self._held[key])
                else:
                    self._pause.wait(RETRY_SECONDS)
        return Case(
            name=self.case.name,
            action=self.case.action,
            clear=self._clear,
            held=list(self._held.values()),
            last_set=_LAST_SET,
        )

    @property
    def _by_email(self) -> dict[str, str]:
        return {"matching": "email", "email": self.case.email}

    @property
    def _by_phone(self) -> dict[str, str]:
        return {"matching": "phone", "phone": self.case.phone}

    @property
    def _any_held(self) -> str:
        return next(iter(self._held.values()))

    def _create(self, key: str, by: Mapping[str, str]) -> str:
        """Create a profile; return its id, once that is known."""
        document = _write_increment(by, {})
        answer = submit_until(
            self.sender, f"{self.case.name}-{key}", _IMPORT, document, "profile_id"
        )
        self._clear += 1
        return str(answer["profile_id"])

    def _increase(self, key: str, by: Mapping[str, str], **data: Any) -> None:
        self._import(key, by, data)
        self._clear += 1

    def _send_ambiguous(self, key: str, **data: Any) -> None:
        answer = self._import(key, self._by_both, data)
        self._held[key] = str(answer["import_id"])

    @property
    def _by_both(self) -> dict[str, str]:
        return {
            **self._by_email,
            **self._by_phone,
            "matching": "email_phone",
            "on_ambiguous": "hold",
        }

    def _await_held(self) -> None:
        for number in range(_BEFORE):
            while self._ask_state(f"before-{number}") != "held":
                self._pause.wait(RETRY_SECONDS)

    def _ask_state(self, key: str) -> str | None:
        """Ask what became of an import; None if it waits, or nobody knows."""
        receipt = f"/api/v1.1/imports/{self._held[key]}"
        _, answer = insist(lambda: self.sender.get(receipt))
        state: str | None = answer.get("state")
        return state

    def _decide(self, first: str, named: str) -> None:
        """Decide on the case of an import; raise if that is refused.

        An answer that was lost may have been that it is done.
        """
        document = {"db_id": DATABASE, "action": self.case.action}
        if self.case.action == HeldAction.PICK:
            document["profile_id"] = first
        if self.case.action == HeldAction.REJECT:
            document["reason"] = "a test"
        status, answer = insist(
            lambda: self.sender.ask(
                f"{self.case.name}-{named}",
                f"/api/v1.1/imports/{named}/resolve",
                document,
            )
        )
        if answer["error"] and not answer["error_text"].startswith(_NOT_HELD):
            told = orjson.dumps(answer).decode()
            raise UnexpectedAnswer(f"{self.case.name}: {status} {told}")

    def _import(
        self, key: str, by: Mapping[str, str], data: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Send an increment until it is certain to come; return the answer."""
        document = _write_increment(by, data)
        return submit(self.sender, f"{self.case.name}-{key}", _IMPORT, document)


def _write_increment(by: Mapping[str, str], data: Mapping[str, Any]) -> dict[str, Any]:
    points = {"points": {"action": "incr", "value": 1}}
    return {"db_id": DATABASE, **by, "data": {**points, **data}}


def play(sender: Sender, name: str) -> Case:
    """Play a case, decided in a way that its name chooses."""
    actions = [HeldAction.PICK, HeldAction.MERGE, HeldAction.REJECT]
    action = random.Random(name).choice(actions)
    return Decider(sender, Case(name=name, action=action)).play()


main = make_command(
    play, named="case", lines=3, pause_seconds=1.0, said="held imports decided"
)


if __name__ == "__main__":
    main()
