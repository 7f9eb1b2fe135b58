"""Who imports wrong files, and undoes them: lines of rounds, one after another.

Run as a process of its own, `python -m tests.chaos.undoers`, until SIGTERM; rounds
that are under way are finished. It ends with status 1 if it is answered what it must
not.
"""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import orjson

from tests.chaos.lines import Play, insist, play_lines
from tests.chaos.producer import Sender, UnexpectedAnswer
from tests.chaos.rounds import DATABASE, Part, Round, dump_round

#: Rounds played at once.
_LINES = 3
_PAUSE_SECONDS = 3.0
_RETRY_SECONDS = 0.3
_SAFE = ("applying", "done")
_Send = Callable[[], tuple[int, dict[str, Any]]]
#: What passes: somebody reads the job, or has just been killed.
_PASSING = ("Another process is reading this job", "The job is still running")


class Undoer:
    """Sends files and undos until they are certain to come."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._pause = threading.Event()

    def play(self, name: str) -> Round:
        """Play a round: all of its imports, and their undos, are accepted at the end.

        The last file is sent while the undo is under way.
        """
        planned = Round(name=name)
        self._import(planned, Part.BEFORE)
        wrong = self._import(planned, Part.WRONG)
        self._undo(planned, wrong)
        self._import(planned, Part.LATER)
        while self._undo(planned, wrong)["state"] not in _SAFE:
            self._pause.wait(_RETRY_SECONDS)
        return Round(name=name, job_id=wrong)

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
            _RETRY_SECONDS,
        )
        if status not in (200, 202) or "job_id" not in answer:
            raise UnexpectedAnswer(f"{status} {orjson.dumps(answer).decode()}")
        return answer


def _open_line(undoer: Undoer) -> Play:
    return lambda name: dump_round(undoer.play(name))


@click.command()
@click.option("--url", required=True)
@click.option("--token", required=True)
@click.option("--seed", type=int, required=True)
@click.option("--log", type=click.Path(path_type=Path), required=True)
def main(url: str, token: str, seed: int, log: Path) -> None:
    """Play rounds until SIGTERM."""
    rounds = play_lines(
        lambda: _open_line(Undoer(Sender(url, token))),
        log,
        lines=_LINES,
        named=f"round-{seed}",
        pause_seconds=_PAUSE_SECONDS,
    )
    click.echo(f"wrong files undone {rounds}")


if __name__ == "__main__":
    main()
