"""Who imports wrong files, and undoes them: lines of rounds, one after another.

Run as a process of its own, `python -m tests.chaos.undoers`, until SIGTERM; rounds
that are under way are finished. It ends with status 1 if it is answered what it must
not.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click
import orjson

from tests.chaos.lines import RETRY_SECONDS, insist, make_command
from tests.chaos.producer import Sender, UnexpectedAnswer
from tests.chaos.rounds import DATABASE, Part, Round

_SAFE = ("applying", "done")
_Send = Callable[[], tuple[int, dict[str, Any]]]
#: What passes: somebody reads the job, or has just been killed.
_PASSING = ("Another process is reading this job", "The job is still running")


class Undoer:
    """Sends files and undos until they are certain to come."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._pause = threading.Event()

    def play(self, name: str, people: int) -> Round:
        """Play a round: all of its imports, and their undos, are accepted at the end.

        The last file is sent while the undo is under way.
        """
        planned = Round(name=name, people=people)
        self._import(planned, Part.BEFORE)
        wrong = self._import(planned, Part.WRONG)
        self._undo(planned, wrong)
        self._import(planned, Part.LATER)
        while self._undo(planned, wrong)["state"] not in _SAFE:
            self._pause.wait(RETRY_SECONDS)
        return replace(planned, job_id=wrong)

    def _import(self, planned: Round, part: Part) -> str:
        """Send a file until all of its rows are accepted; return the job."""
        key, body = f"{planned.name}-{part}", planned.dump(part)
        job = self._press(lambda: self._sender.upload(key, body, DATABASE))
        if job["state"] not in _SAFE or job["rejected"]:
            raise UnexpectedAnswer(f"{key}: {job}")
        return str(job["job_id"])

    def _undo(self, planned: Round, job_id: str) -> dict[str, Any]:
        """Ask for the undo of a job, which the same request also resumes."""
        return self._press(lambda: self._sender.undo(f"{planned.name}-undo", job_id))

    def _press(self, send: _Send) -> dict[str, Any]:
        """Send until there is an answer that says more than to wait."""
        status, answer = insist(
            send,
            lambda answer: str(answer.get("error_text")).startswith(_PASSING),
        )
        if status not in (200, 202) or "job_id" not in answer:
            raise UnexpectedAnswer(f"{status} {orjson.dumps(answer).decode()}")
        return answer


main = make_command(
    # Rounds of several sizes are played at once.
    lambda sender, name, people: Undoer(sender).play(f"{name}-{people}", people),
    named="round",
    lines=3,
    pause_seconds=3.0,
    said="wrong files undone",
    options=[click.Option(["--people"], type=int, default=60)],
)


if __name__ == "__main__":
    main()
