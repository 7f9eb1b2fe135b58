"""Who merges two profiles and parts them again: lines of pairs, one after another.

Run as a process of its own, `python -m tests.chaos.mergers`, until SIGTERM; pairs that
are under way are finished. It ends with status 1 if it is answered what it must not.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.chaos.lines import make_command, submit, submit_until
from tests.chaos.pairs import DATABASE, Pair
from tests.chaos.producer import Sender, UnexpectedAnswer

#: How often each pair is merged and parted.
_CYCLES = 3
#: Increments by each email while a merge, or its undo, is under way.
_INCREMENTS = 3
_PROFILES = "/api/v1.1/profiles/"


@dataclass
class Merger:
    """Plays one pair: all that it sends is accepted at the end, and merges applied."""

    sender: Sender
    name: str
    _increments: int = 0

    def play(self) -> Pair:
        """Merge and part the two, and merge them in the end."""
        emails = Pair(name=self.name).emails
        ids = [self._create(email) for email in emails]
        for cycle in range(_CYCLES):
            merged = self._merge(f"merge-{cycle}", ids)
            named = {"merge_id": merged["import_id"]}
            self._operate(f"part-{cycle}", "unmerge", named)
        self._merge("last", ids)
        return Pair(name=self.name, increments=self._increments)

    def _create(self, email: str) -> str:
        """Create a profile; return its id, once that is known."""
        key = f"{self.name}-create-{email}"
        document = _write_increment(email)
        answer = submit_until(
            self.sender, key, _PROFILES + "import", document, "profile_id"
        )
        self._increments += 1
        return str(answer["profile_id"])

    def _merge(self, key: str, ids: list[str]) -> dict[str, Any]:
        more = {"profiles": ids, "fields": {"points": "sum"}}
        return self._operate(key, "merge", more)

    def _operate(
        self, key: str, operation: str, more: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Ask for a merge or its undo, import beside it, and wait for what comes of it.

        The same request, sent again under its key, says what.
        """
        document = {"db_id": DATABASE, **more}
        self._send(key, _PROFILES + operation, document)
        for number in range(_INCREMENTS):
            for email in Pair(name=self.name).emails:
                self._increase(email, f"{key}-{number}-{email}")
                self._increments += 1
        answer = submit_until(
            self.sender, f"{self.name}-{key}", _PROFILES + operation, document, "state"
        )
        if answer["error"] or answer["state"] != "updated":
            raise UnexpectedAnswer(f"{self.name} {key}: {answer}")
        return answer

    def _increase(self, email: str, key: str) -> None:
        self._send(key, _PROFILES + "import", _write_increment(email))

    def _send(self, key: str, path: str, document: Mapping[str, Any]) -> None:
        """Send until it is certain to come."""
        submit(self.sender, f"{self.name}-{key}", path, document)


def _write_increment(email: str) -> dict[str, Any]:
    points = {"points": {"action": "incr", "value": 1}}
    return {"db_id": DATABASE, "email": email, "data": points}


main = make_command(
    lambda sender, name: Merger(sender, name).play(),
    named="pair",
    lines=3,
    pause_seconds=1.0,
    said="pairs merged and parted",
)


if __name__ == "__main__":
    main()
