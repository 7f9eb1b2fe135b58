"""Counts outlive the processes that counted; their files do not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families

from ingest.exporter.archive import Archive

COUNT = """
import sys
from ingest.telemetry import metrics
metrics.ACCEPTED.labels("http", 1).inc(2)
metrics.BATCH_SIZE.observe(3)
metrics.note_start("drain")
print("counted", flush=True)
sys.stdin.read()
"""
FORK = """
import os
from ingest.telemetry import metrics
metrics.DEAD_LETTERS.inc()
for _ in range(20):
    pid = os.fork()
    if not pid:
        metrics.DEAD_LETTERS.inc()
        os._exit(0)
    os.waitpid(pid, 0)
print("counted", flush=True)
input()
"""


def scrape(directory: Path) -> dict[str, float]:
    """Return the values by name and labels, as Prometheus shows them."""
    registry = CollectorRegistry()
    registry.register(Archive(directory))
    found = {}
    exposition = generate_latest(registry).decode()
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}"] = sample.value
    return found


def files(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


class Process:
    """A process that counts, then lives until it is told to end."""

    def __init__(self, directory: Path, code: str = COUNT) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "counted\n"

    def end(self, number: signal.Signals | None = None) -> None:
        if number is not None:
            self.process.send_signal(number)
        self.process.communicate("\n", timeout=30)


@pytest.fixture
def two(tmp_path: Path) -> Iterator[list[Process]]:
    processes = [Process(tmp_path), Process(tmp_path)]
    yield processes
    for each in processes:
        if each.process.poll() is None:
            each.end()


def test_processes_add_up_and_outlive_themselves(
    tmp_path: Path, two: list[Process]
) -> None:
    both = scrape(tmp_path)
    two[0].end(signal.SIGKILL)
    one = scrape(tmp_path)
    two[1].end()
    none = scrape(tmp_path)

    for found in (both, one, none):
        assert found["penstock_accepted_total{database=1,door=http}"] == 4
        assert found["penstock_batch_size_bucket{le=5.0}"] == 2
        assert found["penstock_batch_size_bucket{le=2.0}"] == 0
        assert found["penstock_batch_size_count{}"] == 2
        assert found["penstock_batch_size_sum{}"] == 6
        assert found["penstock_process_starts_total{role=drain}"] == 2
    assert both["penstock_processes{role=drain}"] == 2
    assert one["penstock_processes{role=drain}"] == 1
    assert "penstock_processes{role=drain}" not in none


def test_the_dead_leave_one_archive_however_many_they_were(
    tmp_path: Path, two: list[Process]
) -> None:
    for each in two:
        each.end(signal.SIGKILL)

    scrape(tmp_path)

    assert files(tmp_path) == {
        "archive.json",
        "archive.lock",
        "counter_archive-1.db",
        "histogram_archive-1.db",
    }


def test_forked_children_are_folded_while_their_parent_counts_on(
    tmp_path: Path,
) -> None:
    parent = Process(tmp_path, FORK)

    found = scrape(tmp_path)
    left = files(tmp_path)
    parent.end()

    assert found["penstock_dead_letters_total{}"] == 21
    assert len([name for name in left if name.endswith(".alive")]) == 1
    assert len(left) <= 8


def make_dead(directory: Path, number: int) -> None:
    """Leave what a process leaves that was killed after it had counted."""
    name = f"host-{number}-abcdef01"
    (directory / f"{name}.alive").touch()
    written = MmapedDict(str(directory / f"counter_{name}.db"))  # type: ignore[no-untyped-call]
    for door in ("http", "broker"):
        key = mmap_key(
            "penstock_accepted", "penstock_accepted_total", ["door"], [door], "Help."
        )
        written.write_value(key, 1.0, 0.0)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]


def test_a_scrape_reads_few_files_after_hundreds_of_processes(tmp_path: Path) -> None:
    for number in range(600):
        make_dead(tmp_path, number)

    first = scrape(tmp_path)
    left = files(tmp_path)
    second = scrape(tmp_path)

    assert first == second
    assert first["penstock_accepted_total{door=http}"] == 600
    assert len(left) == len(files(tmp_path)) == 3


@pytest.mark.parametrize(
    "lost",
    [
        pytest.param("nothing", id="before the files are removed"),
        pytest.param("index", id="before the index is replaced"),
    ],
)
def test_a_fold_that_is_interrupted_counts_nothing_twice(
    tmp_path: Path, lost: str
) -> None:
    for number in range(3):
        make_dead(tmp_path, number)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    scrape(tmp_path)
    for name, content in before.items():
        (tmp_path / name).write_bytes(content)
    if lost == "index":
        (tmp_path / "archive.json").unlink()

    found = scrape(tmp_path)

    assert found["penstock_accepted_total{door=http}"] == 3
    assert len(files(tmp_path)) == 3


def test_scrapes_at_once_agree(tmp_path: Path) -> None:
    for number in range(50):
        make_dead(tmp_path, number)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(scrape, [tmp_path] * 8))

    assert {each["penstock_accepted_total{door=http}"] for each in found} == {50}


def test_a_file_that_is_still_empty_counts_nothing(tmp_path: Path) -> None:
    make_dead(tmp_path, 1)
    (tmp_path / "counter_host-2-abcdef02.db").touch()

    assert scrape(tmp_path)["penstock_accepted_total{door=http}"] == 1
