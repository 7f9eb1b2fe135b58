"""Live imports beside bulk ones: how long somebody waits while a file is imported."""

import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from tests.benchmarks.figures import summarize
from tests.benchmarks.load import Job, Result, send_from_another_process
from tests.benchmarks.scenarios import Measured, System, run_process

FILE, BESIDE_FILE = "a file", "live during a file"
BESIDE_BATCHES = "live during batches of 10,000"
_LIVE_PER_SECOND = 20.0
_CONNECTIONS = 4
#: More than any scenario takes; what is measured ends earlier.
_LONGEST_SECONDS = 120.0
_COLUMNS = "email,_fname,_lname,_city,_region,_sex,phones,custom_field"
_ROW = "row{0}@example.com,Ada{0},Lovelace,London,England,female,+7{0},{0}"


@contextmanager
def _written_file(rows: int) -> Iterator[Path]:
    """Write a table of new customers."""
    first = time.time_ns() // 1000 % 10**12
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as directory:
        path = Path(directory) / "people.csv"
        with path.open("w") as file:
            print(_COLUMNS, file=file)
            for number in range(first, first + rows):
                print(_ROW.format(f"{number % 10**12:012}"), file=file)
        yield path


def _import_file(system: System, path: Path) -> float:
    """Import a file; return how many seconds it took."""
    command = (sys.executable, "-m", "ingest.cli", "import", str(path))
    started = time.perf_counter()
    run_process(
        [*command, "--database", "1"],
        {"DATABASE_URL": system.database_url, "REDIS_URL": system.redis_url},
    )
    return time.perf_counter() - started


def _send_live(system: System, seconds: float) -> Result:
    """Send an import from time to time, and wait for each."""
    job = Job(
        host=system.target.host,
        port=system.target.port,
        requests=system.imports(kind="mixed", subscriptions=1),
        connections=_CONNECTIONS,
        seconds=seconds,
        rate=_LIVE_PER_SECOND,
    )
    return send_from_another_process(job)


def run_file(system: System, _: float, *, rows: int) -> Measured:
    """Import a file while nothing else comes."""
    with _written_file(rows) as path:
        rate = rows / _import_file(system, path)
    return Measured(
        name=FILE,
        per_second=rate,
        applied_per_second=rate,
        p50_ms=0.0,
        p99_ms=0.0,
        failed=0,
    )


def run_beside_file(system: System, _: float, *, rows: int) -> Measured:
    """Import a file, and send live imports until shortly before its end.

    The rates are the file's, the latencies those of the live imports.
    """
    with _written_file(rows) as path, ThreadPoolExecutor() as pool:
        importing = pool.submit(_import_file, system, path)
        results = []
        while not importing.done():
            # In rounds, as nobody knows how long the file takes.
            results.append(_send_live(system, 5.0))
        rate = rows / importing.result()
    return _measure(BESIDE_FILE, results[:-1] or results, rate)


def run_beside_batches(system: System, seconds: float) -> Measured:
    """Send live imports while another connection sends batches that nobody waits for.

    The rates are those of the batches.
    """
    ended = Event()
    batches = system.imports(
        subscriptions=1, batch=10_000, headers="Prefer: respond-async\r\n"
    )

    def send() -> int:
        count = 0
        while not ended.is_set():
            job = Job(
                host=system.target.host,
                port=system.target.port,
                requests=batches,
                connections=1,
                seconds=_LONGEST_SECONDS,
                count=1,
                # While too many wait.
                retry_error=429,
            )
            count += send_from_another_process(job).succeeded * 10_000
        return count

    before = system.ask("SELECT count(*) FROM imports")[0]
    with ThreadPoolExecutor() as pool:
        sending = pool.submit(send)
        result = _send_live(system, 2 * seconds)
        ended.set()
        sent = sending.result()
    system.wait_applied(before + result.succeeded + sent)
    return _measure(BESIDE_BATCHES, [result], sent / (2 * seconds))


def _measure(name: str, results: list[Result], rate: float) -> Measured:
    whole = Result(
        succeeded=sum(one.succeeded for one in results),
        failed=sum(one.failed for one in results),
        first_fault="".join(one.first_fault for one in results),
        unresolved=sum(one.unresolved for one in results),
        seconds=sum(one.seconds for one in results),
        latencies=[each for one in results for each in one.latencies],
    )
    figures = summarize(name, _CONNECTIONS, whole, waited=True)
    return Measured(
        name=name,
        per_second=rate,
        applied_per_second=rate,
        p50_ms=figures.p50_ms,
        p99_ms=figures.p99_ms,
        failed=figures.failed,
        first_fault=figures.first_fault,
    )
