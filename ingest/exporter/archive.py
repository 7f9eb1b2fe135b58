"""Counts of every process of this host; those of ended processes are one archive.

Children are recycled and intakes restarted for ever, and each leaves files behind: they
would pile up until a scrape takes a minute. So before each scrape the files of the dead
are added up into an archive. Whatever interrupts that, nothing is counted twice: one
file, replaced at once, says which archive counts and which files are part of it.
"""

import fcntl
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client.core import Metric
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from ingest.telemetry.metric_files import ALIVE, is_alive

_INDEX = "archive.json"
_LOCK = "archive.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Index:
    #: The archive that counts is made of the files of this generation.
    generation: int = 0
    #: Names of files that are in it, and do not count by themselves any more.
    folded: Sequence[str] = ()


class Archive(Collector):
    """The directory that the processes of one host count in."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)

    def collect(self) -> Iterator[Metric]:
        """Yield what all processes have counted, the dead ones included."""
        with self._locked():
            self._fold()
            files = [
                str(path)
                for path in self._directory.glob("*.db")
                # A process that has this moment made its file has counted nothing.
                if path.stat().st_size
            ]
            merged = list(
                MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
            )
        yield from merged

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other scrapes, of this exporter or another, out of the directory."""
        with (self._directory / _LOCK).open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _fold(self) -> None:
        """Add the files of the dead to the archive, and remove them."""
        index = self._read_index()
        # What a fold that was interrupted has left.
        self._clear(index)
        dead = [
            sign.name.removesuffix(ALIVE)
            for sign in self._directory.glob(f"*{ALIVE}")
            if not is_alive(sign)
        ]
        if not dead:
            return
        following = index.generation + 1
        files = [path for name in dead for path in self._directory.glob(f"*_{name}.db")]
        current = list(self._directory.glob(_archive(index.generation)))
        for kind, sources in _by_kind([*current, *files]).items():
            # What a living process measures now says nothing of a dead one.
            if kind != "gauge":
                _add_up(sources, self._directory / f"{kind}_{_archived(following)}")
        folded = [path.name for path in [*current, *files]]
        folded += [f"{name}{ALIVE}" for name in dead]
        self._write_index(_Index(generation=following, folded=folded))
        self._clear(self._read_index())

    def _clear(self, index: _Index) -> None:
        """Remove what `index` says is folded, and archives it does not know."""
        for name in index.folded:
            (self._directory / name).unlink(missing_ok=True)
        for path in self._directory.glob(_archive("*")):
            if not path.name.endswith(f"_{_archived(index.generation)}"):
                path.unlink()

    def _read_index(self) -> _Index:
        try:
            return _Index(**json.loads((self._directory / _INDEX).read_text()))
        except FileNotFoundError:
            return _Index()

    def _write_index(self, index: _Index) -> None:
        told = {"generation": index.generation, "folded": index.folded}
        fresh = self._directory / f"{_INDEX}.new"
        fresh.write_text(json.dumps(told))
        fresh.replace(self._directory / _INDEX)


def _archived(generation: int | str) -> str:
    return f"archive-{generation}.db"


def _archive(generation: int | str) -> str:
    return f"*_{_archived(generation)}"


def _by_kind(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Group files by what begins their names: counter, gauge, histogram."""
    kinds: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        kinds[path.name.partition("_")[0]].append(path)
    return kinds


def _add_up(sources: Iterable[Path], target: Path) -> None:
    """Write to `target` the sums of what `sources` hold, key by key."""
    sums: dict[str, float] = defaultdict(float)
    for source in sources:
        if source.stat().st_size:
            values = MmapedDict.read_all_values_from_file(  # type: ignore[no-untyped-call]
                str(source)
            )
            for key, value, _, _ in values:
                sums[key] += value
    written = MmapedDict(str(target))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        written.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    with target.open("rb") as opened:
        os.fsync(opened.fileno())
