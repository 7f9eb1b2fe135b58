"""Run the tests in stages: several at a time, then those that want the machine alone.

Usage: python -m tests.run [all | pure | core | oldest] [--coverage] [options of pytest]
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tests.oldest import fetch_servers

#: Files there are memory. It has to hold a server's data for each process.
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 4 << 30
#: Of each branch of these rooms, in percent.
_FLOOR = 95
_ROOMS = ("ingest/domain", "ingest/wire", "ingest/store", "workers")

_PASSED, _NO_TESTS = 0, 5


@dataclass(frozen=True, slots=True)
class Stage:
    """One run of pytest."""

    name: str
    marks: str
    paths: tuple[str, ...] = ()
    #: How many of its processes wait at any time, beside one for each core; with none
    #: it is one process alone.
    waiting: int = 2


_CORE = ("tests/unit", "tests/contract", "tests/integration")
_STAGES: Mapping[str, Sequence[Stage]] = {
    "all": (
        Stage("several at a time", "not alone"),
        Stage("alone", "alone", waiting=0),
    ),
    "pure": (Stage("pure", "pure", ("tests/unit", "tests/contract"), waiting=1),),
    "core": (Stage("core", "not alone", _CORE),),
    "oldest": (
        Stage("on the oldest servers", "not alone and not client_programs", _CORE[1:]),
    ),
}


def count_processes(waiting: int) -> int:
    """Return how many processes run tests if so many of them wait at any time."""
    return min(max(os.cpu_count() or 1, 2) + waiting, 8)


def choose_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Let tests keep what they compile, and their files in memory if it is enough."""
    kept = environ.keys() - {"PYTHONDONTWRITEBYTECODE"}
    chosen = {name: environ[name] for name in kept}
    if (
        os.access(_MEMORY, os.W_OK)
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
        and shutil.disk_usage(_MEMORY).free >= _MEMORY_BYTES
    ):
        chosen.setdefault("PYTEST_DEBUG_TEMPROOT", str(_MEMORY))
    return chosen


def make_command(stage: Stage, options: Sequence[str], *, coverage: bool) -> list[str]:
    """Return the command line of a stage; `options` may name paths of their own."""
    command = [sys.executable, "-m", "pytest", "-m", stage.marks]
    if stage.waiting:
        command += ["-n", str(count_processes(stage.waiting)), "--dist", "loadfile"]
        command += ["-p", "tests.scheduling"]
    if coverage:
        command += ["--cov", "--cov-report=", "--cov-append"]
    named = any(Path(one.partition("::")[0]).exists() for one in options)
    return [*command, *options, *(() if named else stage.paths)]


def judge(codes: Sequence[int]) -> int:
    """Return the exit status of all stages: one may have nothing to do, not all."""
    failed = [code for code in codes if code not in (_PASSED, _NO_TESTS)]
    if failed:
        return failed[0]
    return _PASSED if _PASSED in codes else _NO_TESTS


def judge_coverage() -> int:
    """Report each room's coverage; fail where one is below the floor."""
    codes = []
    for room in _ROOMS:
        click.echo(f"\n== coverage of {room}, of which {_FLOOR} % is asked")
        command = [sys.executable, "-m", "coverage", "report", "--skip-covered"]
        command += [f"--include={room}/*", f"--fail-under={_FLOOR}"]
        codes.append(subprocess.run(command, check=False).returncode)
    return max(codes)


def main(arguments: Sequence[str]) -> int:
    """Run the stages one after another, say how long each took, and return a status."""
    what = arguments[0] if arguments and arguments[0] in _STAGES else "all"
    options = [one for one in arguments if one not in (what, "--coverage")]
    coverage = "--coverage" in arguments
    environ = choose_environment(os.environ)
    if what == "oldest":
        environ |= fetch_servers()
    if coverage:
        Path(".coverage").unlink(missing_ok=True)
    codes, took = [], {}
    for stage in _STAGES[what]:
        began = time.monotonic()
        command = make_command(stage, options, coverage=coverage)
        codes.append(subprocess.run(command, check=False, env=environ).returncode)
        took[stage.name] = time.monotonic() - began
    if coverage:
        codes.append(judge_coverage())
    click.echo("\n".join(f"{seconds:6.0f} s  {name}" for name, seconds in took.items()))
    return judge(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
