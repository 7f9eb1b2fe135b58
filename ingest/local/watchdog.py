"""End the group when its supervisor is killed; run as a process of its own.

On Linux the kernel has asked every child to end by then, and this kills the ones that
do not. Elsewhere this does both. It learns of the supervisor's death from a pipe whose
other end only the supervisor holds.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.local.leftovers import end_leftovers

_END_SECONDS = 5


@contextmanager
def watched(state: Path) -> Iterator[None]:
    """Run a watchdog over this process as long as the block lasts."""
    module = "ingest.local.watchdog"
    argv = [sys.executable, "-m", module, str(state), str(os.getpid())]
    with (state / "logs" / "watchdog.log").open("ab") as log:
        watchdog = subprocess.Popen(  # noqa: S603 - ourselves
            argv,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        # Everything has ended: it finds nothing to do.
        try:
            watchdog.communicate(timeout=_END_SECONDS)
        except subprocess.TimeoutExpired:
            watchdog.kill()
            watchdog.wait()


def main(state: Path, supervisor: int) -> None:
    """Wait for the end of `supervisor`, then end what it left in `state`."""
    sys.stdin.buffer.read()
    end_leftovers(state, supervisor)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
