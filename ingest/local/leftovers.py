"""Leftovers of a killed supervisor: the record of its processes, and their end."""

import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ingest.local.processes import Program, ask_stranger, end_stranger, identity
from ingest.local.state import read_record, write_record

_RECORD = "processes.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Leftover:
    """One recorded process."""

    pid: int
    identity: str
    stop_signal: signal.Signals
    seconds: float


def record_processes(state: Path, running: Mapping[int, Program]) -> None:
    """Write down which processes are ours, so that they can be ended without us."""
    processes = [
        {
            "name": program.name,
            "pid": pid,
            "identity": identity(pid),
            "signal": program.stop_signal,
            "seconds": program.orphan_seconds,
        }
        for pid, program in running.items()
    ]
    record = {"supervisor": os.getpid(), "processes": processes}
    write_record(state / _RECORD, record)


def _read_leftovers(document: Mapping[str, object]) -> Iterator[_Leftover]:
    processes = document.get("processes")
    for process in processes if isinstance(processes, list) else []:
        match process:
            case {
                "pid": int(pid),
                "identity": str(name),
                "signal": int(number),
                "seconds": float(seconds),
            }:
                yield _Leftover(
                    pid=pid,
                    identity=name,
                    stop_signal=signal.Signals(number),
                    seconds=seconds,
                )


def end_leftovers(state: Path, supervisor: int | None = None) -> None:
    """End every recorded process that still runs, the later ones first.

    With `supervisor`, only when the record is of that one.
    """
    document = read_record(state / _RECORD)
    if supervisor not in (None, document.get("supervisor")):
        return
    leftovers = list(_read_leftovers(document))[::-1]
    for leftover in leftovers:
        ask_stranger(leftover.pid, leftover.identity, leftover.stop_signal)
    for leftover in leftovers:
        end_stranger(leftover.pid, leftover.identity, leftover.seconds)
