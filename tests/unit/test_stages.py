"""How `make test` runs the tests, and that it notices what they leave behind."""

import os
import subprocess
import sys
from collections.abc import Sequence

import pytest

from tests.leftovers import MARK, list_processes
from tests.programs import do_without
from tests.run import Stage, choose_environment, judge, make_command
from tests.scheduling import choose_unit

#: Starts another process that it neither waits for nor has as its child any more.
ORPHAN = """
import os, subprocess, sys
argv = [sys.executable, "-c", "input()"]
child = subprocess.Popen(argv, stdin=0, start_new_session=True)
print(child.pid, flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("codes", "status"),
    [
        pytest.param([0, 0], 0, id="all passed"),
        pytest.param([0, 5], 0, id="none of one stage was asked for"),
        pytest.param([5, 5], 5, id="none was asked for"),
        pytest.param([1, 5], 1, id="one failed"),
        pytest.param([0, 2], 2, id="one was interrupted"),
        pytest.param([5, 0, 2], 2, id="too little coverage"),
    ],
)
def test_stages_pass_together(codes: Sequence[int], status: int) -> None:
    assert judge(codes) == status


def test_paths_that_are_named_replace_those_of_a_stage() -> None:
    stage = Stage("core", "not alone", ("tests/unit",))

    whole = make_command(stage, ["-k", "merge"], coverage=False)
    named = make_command(stage, ["tests/unit/test_merge.py::x"], coverage=False)

    assert whole[-3:] == ["-k", "merge", "tests/unit"]
    assert named[-1] == "tests/unit/test_merge.py::x"


def test_modules_are_units_and_those_that_share_a_group_are_one() -> None:
    folder = "tests/acceptance/test"
    shared = {choose_unit(f"{folder}_{name}.py") for name in ("import", "requests")}
    apart = ["tests/unit/test_merge.py", f"{folder}_demo.py", f"{folder}_stalls.py"]

    assert len(shared) == 1
    assert [choose_unit(path) for path in apart] == apart


def test_one_process_is_what_wants_the_machine_alone() -> None:
    several = make_command(Stage("most", "not alone"), [], coverage=False)
    alone = make_command(Stage("alone", "alone", waiting=0), [], coverage=False)

    assert int(several[several.index("-n") + 1]) > 2
    assert "-n" not in alone


def test_tests_keep_what_they_compile_and_the_place_that_was_chosen() -> None:
    environ = {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DEBUG_TEMPROOT": "/mine"}

    assert choose_environment(environ) == {"PYTEST_DEBUG_TEMPROOT": "/mine"}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_was_cut_loose_is_found() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ORPHAN],
        env={**os.environ, MARK: "cut loose"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        orphan = int(starter.stdout.readline())
        starter.wait()
        found = dict(list_processes("cut loose"))

    assert "input()" in found[orphan]


@pytest.mark.parametrize("value", ["true", "1"])
def test_under_ci_nothing_is_done_without(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CI", value)

    with pytest.raises(pytest.fail.Exception, match="a peer"):
        do_without("a peer is not installed")


@pytest.mark.parametrize("value", ["", "false", "0"])
def test_elsewhere_a_test_is_skipped_for_want_of_something(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("CI", value)

    with pytest.raises(pytest.skip.Exception, match="a peer"):
        do_without("a peer is not installed")
