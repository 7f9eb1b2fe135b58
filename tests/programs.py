"""Programs of others that some tests need; .ci/run installs them where it can."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
import redis

#: Debian keeps servers where an ordinary user does not look.
_SERVERS = "/usr/local/sbin:/usr/sbin:/sbin"


def do_without(reason: str) -> NoReturn:
    """Skip the test for want of something; under CI, where green means proven, fail."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"{reason}, and under CI every test has what it needs")
    pytest.skip(reason)


def find_program(name: str | Path) -> str:
    """Return the path of `name`; do without the test where it is not installed."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), _SERVERS))
    return shutil.which(name, path=path) or do_without(f"{name} is not installed")


def do_without_counts(client: redis.Redis) -> None:
    """Skip the rest where Redis does not count what its streams ever took."""
    if int(str(client.info()["redis_version"]).partition(".")[0]) < 7:
        pytest.skip("Redis before version 7 does not count what a stream ever took")
