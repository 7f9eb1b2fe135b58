import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ingest.domain.secrets import parse_secret
from ingest.local.state import (
    StateInUse,
    StateUnusable,
    find_free_port,
    find_port,
    holder,
    keep_password,
    keep_port,
    keep_secret,
    locked,
    open_state,
    read_kept_secret,
    read_record,
    write_record,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_state_directory_is_for_its_owner_only(tmp_path: Path) -> None:
    state = open_state(tmp_path / "deep" / "state")

    assert state.is_absolute()
    assert mode(state) == 0o700


def test_a_file_in_the_way_of_the_state_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    with pytest.raises(StateUnusable, match="state cannot be used: File exists"):
        open_state(tmp_path / "state")


def test_the_lock_names_its_holder_and_keeps_a_second_one_out(tmp_path: Path) -> None:
    with locked(tmp_path):
        assert holder(tmp_path) == os.getpid()

        with pytest.raises(StateInUse, match=f"in use by process {os.getpid()}"):
            locked(tmp_path).__enter__()


def test_the_lock_is_free_after_its_block(tmp_path: Path) -> None:
    with locked(tmp_path):
        pass

    with locked(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from ingest.local.state import locked\n"
        "locked(Path(sys.argv[1])).__enter__()\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code, tmp_path], cwd=root, check=False)

    with locked(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_a_record_is_read_back_and_private(tmp_path: Path) -> None:
    path = tmp_path / "record.json"

    write_record(path, {"number": 1})
    write_record(path, {"number": 2})

    assert read_record(path) == {"number": 2}
    assert mode(path) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param('{"number": ', id="cut off"),
        pytest.param("[1]", id="not an object"),
    ],
)
def test_a_broken_record_counts_as_empty(tmp_path: Path, content: str) -> None:
    path = tmp_path / "record.json"
    path.write_text(content)

    assert read_record(path) == {}


def test_a_missing_record_counts_as_empty(tmp_path: Path) -> None:
    assert read_record(tmp_path / "record.json") == {}


def test_a_password_is_made_once_and_private(tmp_path: Path) -> None:
    first = keep_password(tmp_path, "postgres")

    assert len(first) >= 32
    assert keep_password(tmp_path, "postgres") == first
    assert keep_password(tmp_path, "valkey") != first
    assert mode(tmp_path / "postgres.password") == 0o600


def test_a_secret_is_made_once_private_and_long_enough(tmp_path: Path) -> None:
    assert read_kept_secret(tmp_path) == ""

    first = keep_secret(tmp_path)

    assert len(parse_secret(first)) == 32
    assert keep_secret(tmp_path) == read_kept_secret(tmp_path) == first
    assert mode(tmp_path / "deployment.password") == 0o600


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    port = keep_port(tmp_path, "postgres")

    assert keep_port(tmp_path, "postgres") == port
    assert find_port(tmp_path, "postgres") == port
    assert find_port(tmp_path, "valkey") is None


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    other = keep_port(tmp_path, "valkey")
    port = keep_port(tmp_path, "postgres")

    with socket.create_server(("127.0.0.1", port)):
        replaced = keep_port(tmp_path, "postgres")

    assert replaced != port
    assert find_port(tmp_path, "valkey") == other


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", find_free_port())) as server:
        assert server.getsockname()[1] >= 20_000
