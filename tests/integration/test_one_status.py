"""Exporter, console, status, doctor, and liveness show the same figures."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from click.testing import CliRunner

from ingest.cli import main
from ingest.doctor.health import look
from ingest.settings import Settings
from tests.consoles import console, fill, send_people, working
from tests.intakes import served, wait_until
from tests.scrapes import ask


@dataclass(frozen=True)
class Views:
    """The pipeline as each view shows it."""

    metrics: Mapping[str, Mapping[str, float]]
    status: Mapping[str, Any]
    overview: str
    findings: Mapping[str, str]
    stalls: list[str]

    @property
    def figures(self) -> tuple[list[float], ...]:
        """What each view shows of the backlog and of open dead letters."""
        waiting, letters = (
            re.findall(rf"<dt>{name}</dt><dd>([\d,]+)<small>", self.overview)
            for name in ("Waiting", "Dead letters")
        )
        backlog = re.findall(r"^(\d+) of", self.findings["work.backlog"])
        letters_found = re.findall(r"^(\d+) open", self.findings["work.dead-letters"])
        return (
            [
                sum(self.metrics["penstock_waiting"].values()),
                self.metrics["penstock_dead_letters_open"][""],
            ],
            [self.status["waiting"], self.status["dead_letters"]],
            [float(each.replace(",", "")) for each in (*waiting, *letters)],
            [float(each) for each in (*backlog, *letters_found)],
        )


def run(settings: Settings, *arguments: str) -> Any:
    environ = {"DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}
    return json.loads(CliRunner().invoke(main, arguments, env=environ).output)


def see(settings: Settings) -> Views:
    with console(settings) as opened:
        overview = opened.get("/").text
    found = look(settings.database_url, settings.redis_url, settings.partitions, 0.0)
    return Views(
        metrics=ask(settings),
        status=run(settings, "status", "--json"),
        overview=overview,
        findings={
            one["check"]: one["found"] for one in run(settings, "doctor", "--json")
        },
        stalls=[stall.text for stall in found.stalls],
    )


def test_every_view_shows_the_same_figures_after_a_load(settings: Settings) -> None:
    fill(settings)
    with served(settings) as intake:
        with working(intake):
            send_people(intake, 500)
            wait_until(lambda: run(settings, "status", "--json")["outcomes"])
        send_people(intake, 90)
        views = see(settings)

    first, *others = views.figures
    assert first[0] >= 90
    assert others == [first] * 3
    for each in views.status["partitions"]:
        label, waiting = str(each["partition"]), each["waiting"]
        assert views.metrics["penstock_waiting"][label] == waiting
        stalled = f"partition {label}: {waiting} import"
        assert any(text.startswith(stalled) for text in views.stalls) is bool(waiting)
        if waiting:
            oldest = datetime.fromisoformat(each["oldest_accepted_at"]).timestamp()
            assert views.metrics["penstock_oldest_accepted_timestamp_seconds"][
                label
            ] == pytest.approx(oldest, abs=0.001)
    for each in views.status["endpoints"]:
        pending = views.metrics["penstock_undelivered"][str(each["id"])]
        assert pending == each["pending"]
        shown = f'data-label="Pending" class="right">{each["pending"]:,}</td>'
        assert shown in views.overview
