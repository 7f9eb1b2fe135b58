"""Keep a group of programs running: start, restart with backoff, stop in order."""

import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from queue import SimpleQueue

from ingest.domain.errors import PenstockError
from ingest.local import processes
from ingest.local.leftovers import record_processes
from ingest.local.processes import Program
from ingest.local.signals import Signals

_FIRST_DELAY_SECONDS = 0.5
_LONGEST_DELAY_SECONDS = 30.0
#: A program that lived this long starts again without delay built up before.
_SETTLED_SECONDS = 60.0
#: One that lived less than this tells why in its log.
_SHORT_SECONDS = 10.0
#: While it starts up, a program may die this often before that is given up.
_START_ATTEMPTS = 3

_POLL_SECONDS = 0.05
_PROGRESS_SECONDS = 5.0
_IDLE_SECONDS = 5.0
#: Left to each program once a second signal says to hurry.
_HURRY_SECONDS = 1.0

Probe = Callable[[], str | None]


def _ready_at_once() -> None:
    return None


class StopRequested(PenstockError):
    """A signal asked for the end before everything was ready."""


class NotReady(PenstockError):
    """Something did not become ready in time, or kept dying; with its log's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A program of the group and its place in it."""

    program: Program
    #: Says why it is not ready yet, or None.
    probe: Probe = _ready_at_once
    #: Lower ones are stopped first, equal ones together.
    stop_order: int = 0
    #: Called before each start.
    before: Callable[[], None] | None = None


@dataclass(slots=True)
class _Life:
    """A child from its start to its death, and when it lives again."""

    child: Child
    process: subprocess.Popen[bytes]
    started_at: float
    #: Length of the log when it started.
    log_start: int
    deaths: int = 0
    #: None while it runs.
    due_at: float | None = None

    @property
    def name(self) -> str:
        return self.child.program.name


def restart_delay(deaths: int) -> float:
    """Return the seconds to wait after so many deaths in a row."""
    # The exponent is bounded: a float overflows after some hours of deaths.
    doubled = _FIRST_DELAY_SECONDS * 2.0 ** min(deaths - 1, 16)
    return min(doubled, _LONGEST_DELAY_SECONDS)


def _begin(child: Child, deaths: int = 0) -> _Life:
    if child.before:
        child.before()
    log_start = processes.rotate(child.program.log)
    process = processes.start(child.program)
    return _Life(child, process, time.monotonic(), log_start, deaths)


class Supervisor:
    """Runs children from one thread; whoever owns it calls `run`, then `stop`."""

    def __init__(
        self, *, state: Path, signals: Signals, tell: Callable[[str], None]
    ) -> None:
        self._state = state
        self._signals = signals
        self._tell = tell
        self._lives: dict[str, _Life] = {}
        self._asked: SimpleQueue[tuple[str, str]] = SimpleQueue()
        self._is_warned = False
        #: Called when a process id has changed.
        self.on_change: Callable[[], object] = lambda: None

    @property
    def pids(self) -> dict[str, int]:
        """The process ids by name, of the children that run."""
        return {
            life.name: life.process.pid
            for life in self._lives.values()
            if life.due_at is None
        }

    def _record(self) -> None:
        """Note which processes run, for the case that we are killed."""
        running = {
            life.process.pid: life.child.program
            for life in self._lives.values()
            if life.due_at is None
        }
        self.write(lambda: record_processes(self._state, running))

    def write(self, write: Callable[[], object]) -> None:
        """Write a record; a disk that is full is warned of, and ends nothing."""
        try:
            write()
        except OSError as error:
            self._warn(error)
        else:
            self._is_warned = False

    def _warn(self, error: OSError) -> None:
        """Say once that nothing can be written, until something could be."""
        if self._is_warned:
            return
        self._is_warned = True
        self._tell(
            f"warning: cannot write to {self._state}: {error.strerror}. The stack "
            "keeps running; free space on this disk."
        )

    def add(self, children: Iterable[Child]) -> None:
        """Start children, to be kept running from now on."""
        for child in children:
            self._lives[child.program.name] = _begin(child)
            self._record()

    def _bury(self, life: _Life, code: int) -> None:
        """Say how a child died, and when it starts again."""
        now = time.monotonic()
        lived = now - life.started_at
        life.deaths = life.deaths + 1 if lived < _SETTLED_SECONDS else 1
        delay = restart_delay(life.deaths)
        life.due_at = now + delay
        # Whatever it has started dies with it.
        processes.kill_group(life.process.pid)
        reason = processes.describe_exit(code)
        self._tell(
            f"{life.name} (process {life.process.pid}) ended: {reason}; restarting in "
            f"{delay:g} s"
        )
        # What a signal ended had no time to write why.
        if lived < _SHORT_SECONDS and code >= 0:
            self._tell_log(life)

    def _tell_log(self, life: _Life) -> None:
        log = life.child.program.log
        text = processes.tail(log, life.log_start)
        if text:
            self._tell(f"last lines of {log}:\n{text}")

    def _revive(self, dead: _Life) -> None:
        try:
            life = _begin(dead.child, dead.deaths)
        except OSError as error:
            # Its log, or what it needs before, cannot be written.
            self._warn(error)
            dead.deaths += 1
            dead.due_at = time.monotonic() + restart_delay(dead.deaths)
            return
        self._lives[life.name] = life
        self._tell(f"{life.name}: restarted (process {life.process.pid})")
        self._record()
        self.on_change()

    def ask_restart(self, name: str, reason: str) -> None:
        """Ask, from whatever thread, that a child that lives be started anew."""
        self._asked.put((name, reason))

    def _end_asked(self) -> None:
        """End the children that a restart was asked for; the rest is as ever."""
        while not self._asked.empty():
            name, reason = self._asked.get()
            life = self._lives.get(name)
            if life is not None and life.due_at is None:
                self._tell(f"{name}: stalled ({reason}); restarting")
                # It may be stopped, and hear no other signal.
                processes.kill_group(life.process.pid)

    def tick(self, seconds: float) -> None:
        """See who died and who is due, then wait for a signal or `seconds`."""
        self._end_asked()
        for life in list(self._lives.values()):
            if life.due_at is None:
                code = life.process.poll()
                if code is not None:
                    self._bury(life, code)
            elif life.due_at <= time.monotonic():
                self._revive(life)
        due = [life.due_at for life in self._lives.values() if life.due_at is not None]
        soon = min(due, default=time.monotonic() + seconds) - time.monotonic()
        self._signals.wait(max(0.0, min(seconds, soon)))

    def _check_alive(self, names: Iterable[str]) -> None:
        for name in names:
            life = self._lives.get(name)
            if life and life.deaths >= _START_ATTEMPTS:
                raise NotReady(f"{name} failed {life.deaths} times while starting")

    def wait_ready(self, probes: Mapping[str, Probe], *, seconds: float) -> None:
        """Wait until every probe answers; raise NotReady after `seconds`.

        Progress is told every few seconds, and children are kept running meanwhile.
        """
        started = told = time.monotonic()
        waiting = dict(probes)
        while True:
            reasons = {name: probe() for name, probe in waiting.items()}
            now = time.monotonic()
            for name in [name for name, reason in reasons.items() if reason is None]:
                del waiting[name], reasons[name]
                self._tell(f"{name}: ready ({now - started:.1f} s)")
            if not waiting:
                return
            if self._signals.stop_requests:
                raise StopRequested("stopped before everything was ready")
            self._check_alive(waiting)
            account = "; ".join(f"{name}: {why}" for name, why in reasons.items())
            if now - started > seconds:
                raise NotReady(f"not ready after {seconds:g} s: {account}")
            if now - told > _PROGRESS_SECONDS:
                told = now
                self._tell(f"waiting ({now - started:.0f} of {seconds:g} s): {account}")
            self.tick(_POLL_SECONDS)

    def run(self) -> None:
        """Keep the children running until a signal asks to stop."""
        while not self._signals.stop_requests:
            self.tick(_IDLE_SECONDS)

    def stop(self) -> None:
        """Stop the children in order; a second signal makes it quick."""
        alive = [life for life in self._lives.values() if life.due_at is None]
        alive.sort(key=lambda life: life.child.stop_order)
        for _, group in groupby(alive, key=lambda life: life.child.stop_order):
            self._stop_together(list(group))
        self._lives.clear()
        self._record()

    def _stop_together(self, lives: list[_Life]) -> None:
        self._tell(f"stopping {', '.join(life.name for life in lives)}")
        started = time.monotonic()
        for life in lives:
            life.process.send_signal(life.child.program.stop_signal)
        while lives := [life for life in lives if life.process.poll() is None]:
            hurry = self._signals.stop_requests > 1
            lived = time.monotonic() - started
            for life in lives:
                grace = life.child.program.grace_seconds
                if lived > (_HURRY_SECONDS if hurry else grace):
                    self._tell(f"{life.name}: did not stop in {lived:.0f} s; killed")
                    processes.kill_group(life.process.pid)
                    life.process.wait()
            self._signals.wait(_POLL_SECONDS)
