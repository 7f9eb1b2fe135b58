"""What is deployed agrees with the code: settings, commands, queues, files."""

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from zipfile import ZipFile

import click
import pytest
import yaml
from falcon import inspect
from hatchling.builders.wheel import WheelBuilder

from ingest import cli
from ingest.doors.http.app import create_app
from ingest.doors.http.calls import UPLOADS
from ingest.doors.http.heads import HeadRouter
from ingest.settings import Settings, read_settings
from ingest.streams import queues

inspect.register_router(HeadRouter)(inspect.inspect_compiled_router)

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
COMPOSE_TEXT = (ROOT / "docker-compose.yml").read_text()
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text()
EXAMPLE = (ROOT / "deploy/.env.example").read_text()

SERVICES: Mapping[str, dict[str, object]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
CELERY = {name: service for name, service in OURS.items() if "entrypoint" in service}
PENSTOCK = {name: service for name, service in OURS.items() if name not in CELERY}

MAX_FILE_BYTES = Settings(database_url="", redis_url="").max_file_bytes

each_of_ours = pytest.mark.parametrize("name", OURS)


def mapping(service: str, key: str) -> dict[str, object]:
    value = SERVICES[service].get(key, {})
    assert isinstance(value, dict)
    return value


def words(service: str, key: str = "command") -> list[str]:
    value = SERVICES[service].get(key, [])
    assert isinstance(value, list)
    return [str(word) for word in value]


def environment_name(field: str) -> str:
    """Name the variable that ingest.settings reads `field` from."""
    bare = {"database_url", "redis_url", "geoip_database"}
    return field.upper() if field in bare else f"PENSTOCK_{field.upper()}"


def option(arguments: list[str], name: str) -> str:
    return arguments[arguments.index(name) + 1]


def seconds(duration: object) -> int:
    found = re.fullmatch(r"(\d+)([sm])", str(duration))
    assert found
    return int(found[1]) * {"s": 1, "m": 60}[found[2]]


@each_of_ours
def test_each_process_is_given_every_setting_and_no_other_variable(name: str) -> None:
    known = {environment_name(field.name) for field in fields(Settings)}

    assert set(mapping(name, "environment")) == known


def test_the_example_names_every_variable_that_compose_asks_for() -> None:
    asked = set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT))
    servers = {"DATABASE_URL", "REDIS_URL"}
    passed = set(mapping("intake", "environment")) - servers
    offered = set(re.findall(r"^#?(\w+)=", EXAMPLE, flags=re.MULTILINE))

    assert offered == asked | passed


def test_the_example_leaves_no_password_that_would_work() -> None:
    given = dict(re.findall(r"^(\w+)=(.*)$", EXAMPLE, flags=re.MULTILINE))

    assert given == {
        "POSTGRES_PASSWORD": "",
        "REDIS_PASSWORD": "",
        "GRAFANA_PASSWORD": "",
    }
    for password in given:
        assert f"${{{password}:?" in COMPOSE_TEXT
        assert f"${{{password}}}" not in COMPOSE_TEXT


def test_the_example_states_the_real_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = re.findall(r"^#(PENSTOCK_\w+)=(.*)$", EXAMPLE, flags=re.MULTILINE)
    monkeypatch.setenv("DATABASE_URL", "postgresql://localhost/penstock")
    monkeypatch.setenv("REDIS_URL", "redis://localhost")
    for name, value in stated:
        monkeypatch.setenv(name, value)

    assert read_settings() == Settings(
        database_url="postgresql://localhost/penstock", redis_url="redis://localhost"
    )


@pytest.mark.parametrize("name", PENSTOCK)
def test_each_penstock_command_exists_and_takes_its_options(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command, *arguments = words(name)
    url = mapping(name, "environment")["DATABASE_URL"]
    monkeypatch.setenv("DATABASE_URL", str(url))
    found = cli.main.get_command(click.Context(cli.main), command)

    assert found is not None
    found.make_context(command, arguments)


@pytest.mark.parametrize("name", CELERY)
def test_each_celery_process_runs_our_application(name: str) -> None:
    assert words(name, "entrypoint") == ["celery", "-A", "workers.app"]
    assert (ROOT / "workers/app.py").is_file()
    assert words(name)[0] in {"worker", "beat"}


def test_each_queue_has_a_worker_and_one_beat_rings() -> None:
    commands = [words(name) for name in CELERY]
    workers = [command for command in commands if command[0] == "worker"]

    assert {option(worker, "-Q") for worker in workers} == {
        queues.DRAINS,
        queues.UPKEEP,
    }
    assert len(workers) == len(commands) - 1


@pytest.mark.parametrize(
    "name",
    [name for name in SERVICES if name not in {"migrate", "consume", "upkeep", "beat"}],
)
def test_whoever_answers_is_asked_for_its_health(name: str) -> None:
    assert mapping(name, "healthcheck")["test"]


def test_the_intake_is_asked_on_a_route_it_has() -> None:
    settings = Settings(database_url="postgresql://", redis_url="redis://")
    routes = {route.path for route in inspect.inspect_routes(create_app(settings))}
    check = str(mapping("intake", "healthcheck")["test"])

    path = re.search(r"http://127\.0\.0\.1:8080(/[\w/]+)", check)

    assert path
    assert path[1] in routes
    assert option(words("intake"), "--port") == "8080"


def test_people_reach_three_doors_and_from_this_machine_unless_told() -> None:
    published = {
        name: words(name, "ports")[0]
        for name, service in SERVICES.items()
        if "ports" in service
    }

    assert published.keys() == {"intake", "console", "grafana"}
    for port in published.values():
        assert re.match(r"127\.0\.0\.1:|\$\{[A-Z]+_ADDRESS:-127\.0\.0\.1\}:", port)


def test_prometheus_scrapes_the_exporter_and_reads_our_rules() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    targets = {
        job["job_name"]: job["static_configs"][0]["targets"]
        for job in config["scrape_configs"]
    }

    assert targets["penstock"] == [f"exporter:{option(words('exporter'), '--port')}"]
    assert "./deploy/prometheus:/etc/prometheus:ro" in words("prometheus", "volumes")
    for rules in config["rule_files"]:
        assert (ROOT / "deploy/prometheus" / rules).is_file()


def test_grafana_is_given_its_dashboards_and_where_prometheus_is() -> None:
    mounted = dict(volume.split(":")[:2] for volume in words("grafana", "volumes"))
    provisioning = ROOT / "deploy/grafana/provisioning"
    provider = yaml.safe_load((provisioning / "dashboards/penstock.yml").read_text())
    source = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text())

    assert mounted["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    path = provider["providers"][0]["options"]["path"]
    assert mounted["./deploy/grafana/dashboards"] == path
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    environment = mapping("grafana", "environment")
    home = Path(str(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]))
    assert str(home.parent) == path
    assert (ROOT / "deploy/grafana/dashboards" / home.name).is_file()


def test_our_processes_start_when_the_schema_is_there_and_redis_answers() -> None:
    for name in set(OURS) - {"migrate"}:
        assert mapping(name, "depends_on") == {
            "migrate": {"condition": "service_completed_successfully"},
            "redis": {"condition": "service_healthy"},
        }
    assert mapping("migrate", "depends_on") == {
        "postgres": {"condition": "service_healthy"}
    }


def test_whatever_ends_is_started_again_but_for_the_migration() -> None:
    policies = {name: service["restart"] for name, service in SERVICES.items()}

    assert policies.pop("migrate") == "no"
    assert set(policies.values()) == {"unless-stopped"}


def test_stopping_leaves_time_to_answer_whoever_waits() -> None:
    longest = Settings(database_url="", redis_url="").wait_seconds

    assert seconds(SERVICES["intake"]["stop_grace_period"]) > longest


def test_what_is_accepted_is_on_disk_and_never_evicted() -> None:
    redis = words("redis")

    assert option(redis, "--appendonly") == "yes"
    assert option(redis, "--appendfsync") == "always"
    assert option(redis, "--maxmemory-policy") == "noeviction"
    assert SERVICES["redis"]["volumes"] == ["redis:/data"]
    assert "fsync=off" not in words("postgres")


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_may_take_all_the_memory(name: str) -> None:
    assert re.fullmatch(r"\d+[mg]", str(SERVICES[name]["mem_limit"]))


@each_of_ours
def test_all_count_in_the_directory_that_the_exporter_reads(name: str) -> None:
    directory = re.search(r"PROMETHEUS_MULTIPROC_DIR=(\S+)", DOCKERFILE)

    assert directory
    assert f"metrics:{directory[1]}" in words(name, "volumes")


@each_of_ours
def test_a_geo_database_has_a_place_that_the_example_names(name: str) -> None:
    example = (ROOT / "deploy/.env.example").read_text()
    named = re.search(r"^#GEOIP_DATABASE=(\S+)/[^/\s]+$", example, flags=re.MULTILINE)

    assert named
    assert f"./geoip:{named[1]}:ro" in words(name, "volumes")


def copied() -> list[str]:
    """Name what the image takes from the checkout."""
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, flags=re.MULTILINE)
    return [source for line in lines for source in shlex.split(line)[:-1]]


@pytest.mark.parametrize("source", copied())
def test_the_image_copies_what_exists_and_is_not_ignored(source: str) -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert (ROOT / source).exists()
    assert f"!{source}" in lines


def test_the_image_runs_the_locked_packages_as_an_ordinary_user() -> None:
    lines = DOCKERFILE.splitlines()
    install = "RUN pip install --require-hashes --requirement requirements.lock"

    assert lines.index(install) < lines.index("COPY ingest ./ingest")
    assert "USER 10001:10001" in lines
    assert 'ENTRYPOINT ["penstock"]' in lines


def test_the_wheel_carries_the_schema_and_the_demo(tmp_path: Path) -> None:
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    with ZipFile(wheel) as archive:
        packed = set(archive.namelist())

    sources = [
        path.relative_to(ROOT).as_posix()
        for package in ("ingest", "workers")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]

    assert set(sources) <= packed


def test_docker_accepts_the_compose_file() -> None:
    docker = shutil.which("docker") or pytest.skip("there is no docker client here")
    plugin = subprocess.run(
        [docker, "compose", "version"], check=False, capture_output=True
    )
    if plugin.returncode != 0:
        pytest.skip("the docker client here has no compose plugin")

    checked = subprocess.run(
        [docker, "compose", "config", "--quiet"],
        check=False,
        cwd=ROOT,
        env=os.environ
        | dict.fromkeys(
            ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "GRAFANA_PASSWORD"), "secret"
        ),
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stderr


def test_the_ingress_hands_files_of_jobs_on_as_they_come() -> None:
    text = (ROOT / "deploy/kubernetes/intake.yaml").read_text()
    (jobs,) = [
        each
        for each in yaml.safe_load_all(text)
        if each["kind"] == "Ingress" and "jobs" in each["metadata"]["name"]
    ]
    told = {
        name.partition("/")[2]: value
        for name, value in jobs["metadata"]["annotations"].items()
    }
    (path,) = jobs["spec"]["rules"][0]["http"]["paths"]

    assert path["path"] == UPLOADS
    assert told["proxy-request-buffering"] == "off"
    assert told["proxy-next-upstream"] == "off"
    assert int(told["proxy-body-size"].removesuffix("g")) * 1024**3 == MAX_FILE_BYTES
    assert min(int(told[f"proxy-{way}-timeout"]) for way in ("read", "send")) >= 600
