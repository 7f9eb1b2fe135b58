"""What is deployed is what the tools of its trade accept."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import validate

from ingest.settings import Settings
from tests.programs import do_without, find_program
from tests.unit.test_deploy import (
    COMPOSE_TEXT,
    OURS,
    ROOT,
    SERVICES,
    environment_name,
    words,
)

SYSTEMD = ROOT / "deploy/systemd"
UNITS = sorted(SYSTEMD.glob("*.service")) + sorted(SYSTEMD.glob("*.target"))
MANIFESTS = [
    path
    for path in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    if path.name != "kustomization.yaml"
]
SCRIPTS = Path(sys.executable).parent


def run(*argv: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, check=False, capture_output=True, text=True, timeout=60, **options
    )


def documents() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text()):
            yield (
                f"{path.stem}/{document['kind']}/{document['metadata']['name']}",
                (document),
            )


OBJECTS = dict(documents())


def pods() -> dict[str, dict[str, Any]]:
    """Return the pod specifications, by their object's name."""
    return {
        name: document["spec"]["template"]["spec"]
        for name, document in OBJECTS.items()
        if document["kind"] in {"Deployment", "Job"}
    }


def containers() -> dict[str, dict[str, Any]]:
    return {
        f"{name}/{container['name']}": container
        for name, pod in pods().items()
        for container in pod["containers"]
    }


def test_the_dockerfile_is_as_hadolint_wants_it() -> None:
    hadolint = SCRIPTS / "hadolint"
    if not hadolint.exists():
        do_without("there is no hadolint for this machine")

    checked = run(
        hadolint, "--failure-threshold", "info", "deploy/Dockerfile", cwd=ROOT
    )

    assert checked.returncode == 0, checked.stdout


def test_compose_understands_its_file(tmp_path: Path) -> None:
    # The last release that needs no engine knows every key but this one.
    compose = find_program("docker-compose")
    known = re.sub(r"^name: .*$", "", COMPOSE_TEXT, flags=re.MULTILINE)
    (tmp_path / "docker-compose.yml").write_text(known)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    passwords = re.findall(r"\$\{(\w+):\?", COMPOSE_TEXT)
    environ = {"PATH": "/usr/bin:/bin"} | dict.fromkeys(passwords, "secret")

    checked = run(compose, "config", cwd=tmp_path, env=environ)

    assert checked.returncode == 0, checked.stderr
    assert set(yaml.safe_load(checked.stdout)["services"]) <= set(SERVICES)


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units as installed here: their programs are this environment's."""
    shutil.copytree(SYSTEMD, tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        text = unit.read_text().replace("/opt/penstock/bin", str(SCRIPTS))
        unit.write_text(text)
    return tmp_path


def verify(units: Path) -> str:
    """Return what systemd has to say against the units of a directory."""
    return run(
        find_program("systemd-analyze"),
        "verify",
        "--man=no",
        *(units / path.name for path in UNITS),
        env={"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": "/usr/bin:/bin"},
    ).stderr


def test_systemd_has_nothing_against_the_units(units: Path) -> None:
    assert verify(units) == ""


def test_systemd_tells_of_a_unit_that_is_wrong(units: Path) -> None:
    drop_in = units / "penstock-.service.d/common.conf"
    drop_in.write_text(drop_in.read_text().replace("PrivateTmp", "PrivatTmp"))

    assert "Unknown key 'PrivatTmp'" in verify(units)


@pytest.mark.parametrize(
    "unit", sorted(SYSTEMD.glob("*.service")), ids=lambda p: p.stem
)
def test_a_unit_runs_what_compose_runs(unit: Path) -> None:
    (line,) = re.findall(r"^ExecStart=(.+)$", unit.read_text(), flags=re.MULTILINE)
    started, *arguments = shlex.split(line.replace("%%", "%"))
    name = unit.stem.removeprefix("penstock-")
    entry = words(name, "entrypoint") or ["penstock"]

    assert [Path(started).name, *arguments][: len(entry)] == entry
    # Addresses differ, for a container's port is published by its engine.
    same = [word for word in arguments[len(entry) - 1 :] if not is_place(word)]
    assert same == [word for word in words(name) if not is_place(word)]


def is_place(word: str) -> bool:
    return bool(re.fullmatch(r"[\d.]{7,}|\d{4,5}|/\S*beat", word))


@pytest.mark.parametrize("name", OBJECTS)
def test_kubernetes_knows_every_member_of_an_object(name: str) -> None:
    validate(OBJECTS[name], "1.37", strict=True)


def test_kustomize_names_every_manifest() -> None:
    text = (ROOT / "deploy/kubernetes/kustomization.yaml").read_text()

    assert yaml.safe_load(text)["resources"] != []
    assert set(yaml.safe_load(text)["resources"]) == {path.name for path in MANIFESTS}


@pytest.mark.parametrize("name", pods())
def test_a_pod_runs_without_rights(name: str) -> None:
    pod = pods()[name]

    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["enableServiceLinks"] is False
    for container in pod["containers"]:
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", containers())
def test_a_container_runs_what_compose_runs(name: str) -> None:
    container = containers()[name]
    known = [(words(each, "entrypoint"), words(each)[0]) for each in OURS]

    assert container["image"] == "penstock"
    assert (container.get("command", []), container["args"][0]) in known


def test_a_config_map_holds_settings_that_exist() -> None:
    known = {environment_name(field) for field in Settings.__dataclass_fields__}
    known.add("PROMETHEUS_MULTIPROC_DIR")

    assert set(OBJECTS["config/ConfigMap/penstock"]["data"]) <= known


@pytest.mark.parametrize(
    "name", [name for name in OBJECTS if "HorizontalPodAutoscaler" in name]
)
def test_what_scales_names_a_deployment_and_keeps_one_through_an_eviction(
    name: str,
) -> None:
    target = OBJECTS[name]["spec"]["scaleTargetRef"]["name"]
    room = name.partition("/")[0]

    labels = OBJECTS[f"{room}/Deployment/{target}"]["spec"]["selector"]
    assert OBJECTS[f"{room}/PodDisruptionBudget/{target}"]["spec"]["selector"] == labels
