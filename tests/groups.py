"""One `penstock up` as a process of its own, and what it said."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
STOP_SECONDS = 60
#: A busy machine starts a process in half of it.
RECOVERY_SECONDS = 100


def wait_for(found: Callable[[], object], seconds: float = RECOVERY_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.05)


class Group:
    """One `penstock up` on a state directory, and what it said."""

    def __init__(
        self,
        state: Path,
        *arguments: str,
        prefix: Sequence[str] = (),
        **environ: str,
    ) -> None:
        self.state = state
        self.errors = state.with_name(f"{state.name}.err")
        argv = [sys.executable, "-m", "ingest.cli", "up", "--json", "--state-dir"]
        self._argv = [*prefix, *argv, str(state), "--http-port", "0", *arguments]
        self._environ = {**os.environ, **environ}
        self.start()

    def start(self) -> None:
        """Start it, for the first time or again."""
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                self._argv,
                cwd=ROOT,
                env=self._environ,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    @property
    def said(self) -> str:
        return self.errors.read_text()

    def wait_ready(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.said
        answer: dict[str, Any] = json.loads(line)
        return answer

    def answer(self) -> dict[str, Any]:
        """What it tells who asks now."""
        answer: dict[str, Any] = json.loads((self.state / "servers.json").read_text())
        return answer

    def pids(self) -> dict[str, Any]:
        """The numbers of the processes as of now."""
        pids: dict[str, Any] = self.answer()["pids"]
        return pids

    def processes(self) -> set[int]:
        """Every process that the record names, and their children."""
        record = json.loads((self.state / "processes.json").read_text())
        leaders = {int(process["pid"]) for process in record["processes"]}
        listing = subprocess.run(
            ["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True
        )
        pairs = [map(int, line.split()) for line in listing.stdout.splitlines()]
        return leaders | {pid for pid, parent in pairs if parent in leaders}

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(STOP_SECONDS)
        self.close()
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
