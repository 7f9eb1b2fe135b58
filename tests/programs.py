"""Programs of the system that some tests need; .ci/run installs them where it can."""

import shutil

import pytest


def find_program(name: str) -> str:
    """Return the path of `name`; skip the test where it is not installed."""
    return shutil.which(name) or pytest.skip(f"{name} is not installed")
