"""A disk that is full and names that hang, as far as mounts are permitted here."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.mounts import Disk, hung_names, small_disk

_NAME = "hangs.penstock.test"
#: Far longer than it takes to be told that there is no such name.
_PATIENCE_SECONDS = 2


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as made:
        if made is None:
            pytest.skip("no mount is permitted here")
        yield made


def test_a_disk_that_is_full_takes_nothing_until_there_is_room(disk: Disk) -> None:
    kept = disk.path / "kept"
    kept.write_bytes(b"x" * 10_000)
    disk.fill()

    assert disk.is_full
    with pytest.raises(OSError, match="No space left"):
        (disk.path / "more").write_bytes(b"x" * 10_000)
    disk.free()
    (disk.path / "more").write_bytes(b"x" * 10_000)

    assert kept.read_bytes() == b"x" * 10_000


def test_logs_of_a_disk_outlive_it(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as made:
        (tmp_path / "disk" / "logs").mkdir()
        (tmp_path / "disk" / "logs" / "a.log").write_text("said")
        if made is None:
            pytest.skip("no mount is permitted here")

    assert (tmp_path / "logs" / "a.log").read_text() == "said"


def test_a_name_is_resolved_in_no_time(tmp_path: Path) -> None:
    code = f"import socket; print(1, flush=True); socket.getaddrinfo({_NAME!r}, 80)"
    with hung_names(tmp_path) as prefix:
        if not prefix:
            pytest.skip("no mount is permitted here")
        with subprocess.Popen(
            [*prefix, sys.executable, "-c", code], stdout=subprocess.PIPE
        ) as asking:
            assert asking.stdout is not None
            # It begins to ask.
            assert asking.stdout.readline() == b"1\n"
            with pytest.raises(subprocess.TimeoutExpired):
                asking.wait(_PATIENCE_SECONDS)
            asking.kill()
