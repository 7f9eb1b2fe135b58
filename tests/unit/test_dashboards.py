"""The dashboards are what their sources say, and what Grafana's schema allows."""

import builtins
import enum
import json
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import dashboard as schema

from ingest.exporter.page import describe_all

ROOT = Path(__file__).parents[2]
GRAFANA = ROOT / "deploy/grafana"
RENDERED = {
    path.stem: json.loads(path.read_text())
    for path in sorted((GRAFANA / "dashboards").glob("*.json"))
}
each_dashboard = pytest.mark.parametrize("name", RENDERED)


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in RENDERED[name]["panels"] if panel["type"] != "row"]


def expressions(name: str) -> list[str]:
    return [target["expr"] for panel in panels(name) for target in panel["targets"]]


def test_there_are_the_four_that_are_promised() -> None:
    assert set(RENDERED) == {"overview", "databases", "triggers", "workers"}


def test_they_are_what_their_sources_say(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(GRAFANA / "render.py"), str(tmp_path)], check=True
    )

    for path in (GRAFANA / "dashboards").glob("*.json"):
        assert (tmp_path / path.name).read_text() == path.read_text(), "run `make docs`"


def differences(sent: Any, read: Any, path: str = "") -> Iterator[str]:
    """Name what of `sent` is not in `read`."""
    match sent, read:
        case dict(), dict():
            for key, value in sent.items():
                if key in read:
                    yield from differences(value, read[key], f"{path}.{key}")
                else:
                    yield f"{path}.{key}"
        case list(), list() if len(sent) == len(read):
            for number, pair in enumerate(zip(sent, read, strict=True)):
                yield from differences(*pair, f"{path}[{number}]")
        case _ if sent != read:
            yield path


@pytest.fixture(scope="module", autouse=True)
def plugins() -> None:
    """Know the options of each kind of panel, and Prometheus's queries."""
    register_default_plugins()


@each_dashboard
def test_grafana_knows_every_member(name: str) -> None:
    sent = RENDERED[name]

    read = json.loads(json.dumps(schema.Dashboard.from_json(sent), cls=JSONEncoder))

    # Grafana's models drop what they do not know.
    assert list(differences(sent, read)) == []


def fits(value: object, hint: Any) -> bool:
    """Tell whether `value` is of the type that Grafana's schema gives it."""
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Union | types.UnionType:
            return any(fits(value, argument) for argument in arguments)
        case typing.Literal:
            return value in arguments
        case builtins.list:
            return isinstance(value, list) and all(fits(x, arguments[0]) for x in value)
        case builtins.dict:
            return isinstance(value, dict)
    return not isinstance(hint, type) or fits_class(value, hint)


def fits_class(value: object, hint: type) -> bool:
    if issubclass(hint, enum.Enum):
        return value in {member.value for member in hint}
    if isinstance(value, dict) and hasattr(hint, "from_json"):
        # A member that the models leave as it was sent.
        return not list(misfits(hint.from_json(value)))
    if hint is float:
        return isinstance(value, int | float)
    return isinstance(value, hint)


def misfits(thing: object, path: str = "") -> Iterator[str]:
    """Name the members of `thing`, and below it, that are not of their types."""
    if isinstance(thing, list):
        for number, item in enumerate(thing):
            yield from misfits(item, f"{path}[{number}]")
    elif type(thing).__module__.startswith("grafana_foundation_sdk.models"):
        hints = typing.get_type_hints(type(thing))
        for member, value in vars(thing).items():
            if not fits(value, hints.get(member, object)):
                yield f"{path}.{member}: {value!r}"
            yield from misfits(value, f"{path}.{member}")


@each_dashboard
def test_every_value_is_of_the_type_that_grafana_wants(name: str) -> None:
    read = schema.Dashboard.from_json(RENDERED[name])

    assert list(misfits(read)) == []


def test_a_dashboard_that_is_wrong_is_noticed() -> None:
    wrong = json.loads(json.dumps(RENDERED["overview"]))
    wrong["graphTooltip"] = 7
    wrong["panels"][1]["options"]["reduceOptions"]["calcs"] = "last"
    wrong["panels"][1]["colour"] = "red"

    read = schema.Dashboard.from_json(wrong)
    back = json.loads(json.dumps(read, cls=JSONEncoder))

    assert len(list(misfits(read))) == 2
    assert list(differences(wrong, back)) == [".panels[1].colour"]


@each_dashboard
def test_panels_lie_in_the_grid_and_on_no_other(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in RENDERED[name]["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


@each_dashboard
def test_panels_have_numbers_and_names_of_their_own(name: str) -> None:
    numbers = [panel["id"] for panel in RENDERED[name]["panels"]]
    titles = [(panel["title"], panel["type"]) for panel in panels(name)]

    assert len(set(numbers)) == len(numbers)
    assert len(set(titles)) == len(titles)


@each_dashboard
def test_queries_ask_for_metrics_that_exist(name: str) -> None:
    known = set(describe_all())
    parts = {f"{one}{part}" for one in known for part in ("_bucket", "_count", "_sum")}
    asked = {
        metric
        for expression in expressions(name)
        for metric in re.findall(r"penstock_\w+", expression)
    }

    assert asked <= known | parts


def test_the_overview_follows_the_pipe() -> None:
    rows = [
        one["title"] for one in RENDERED["overview"]["panels"] if one["type"] == "row"
    ]

    assert rows == [
        "Health",
        "Intake",
        "Queue",
        "Outcomes",
        "Workers",
        "Postgres and Redis",
        "Side effects",
    ]


def test_links_lead_to_dashboards_that_exist() -> None:
    known = {dashboard["uid"] for dashboard in RENDERED.values()}
    links = [
        link["url"]
        for name in RENDERED
        for panel in panels(name)
        for link in panel.get("links", ())
    ]

    assert {re.sub(r"/d/([\w-]+)\?.*", r"\1", link) for link in links} <= known
    assert all("${__url_time_range}" in link for link in links)
    assert links


def test_every_metric_is_on_a_dashboard() -> None:
    shown = " ".join(one for name in RENDERED for one in expressions(name))
    marks = str(RENDERED["overview"]["annotations"])

    # The limit beside the connections it limits is the alert's business.
    elsewhere = {"penstock_postgres_connection_limit"}
    missing = {name for name in describe_all() if name not in shown + marks}
    assert missing == elsewhere, (
        "give it a panel in deploy/grafana/sources, then run `make docs`"
    )


def test_provisioning_names_what_is_there() -> None:
    source = yaml.safe_load(
        (GRAFANA / "provisioning/datasources/prometheus.yml").read_text()
    )["datasources"][0]
    provider = yaml.safe_load(
        (GRAFANA / "provisioning/dashboards/penstock.yml").read_text()
    )["providers"][0]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())

    assert source["type"] == "prometheus"
    assert source["jsonData"]["timeInterval"] == scraped["global"]["scrape_interval"]
    assert provider["type"] == "file"
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"
