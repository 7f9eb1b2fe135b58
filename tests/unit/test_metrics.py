"""Metrics: named alike, explained, bounded, and all on their page."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ingest.exporter.archive import Archive
from ingest.exporter.metric_help import SECTIONS
from ingest.exporter.page import Described, describe_all, write_page

ROOT = Path(__file__).parents[2]
DESCRIBED = describe_all()
#: What a label may be: each has few values, known to the code or to the catalog.
BOUNDED = {
    "application",
    "channel",
    "code",
    "database",
    "door",
    # Suppression lists, which are declared.
    "list",
    "action",
    "endpoint",
    "error_class",
    "cause",
    "format",
    "kind",
    "matching",
    "move",
    "partition",
    "path",
    "queue",
    "reason",
    "result",
    "role",
    "source",
    "stage",
    "state",
    "status",
    "task",
}


@pytest.mark.parametrize("metric", DESCRIBED.values(), ids=lambda one: one.name)
def test_every_metric_is_named_by_its_kind_and_explained(metric: Described) -> None:
    assert metric.name.startswith("penstock_")
    assert (metric.kind == "counter") == metric.name.endswith("_total")
    assert metric.help.endswith(".")
    assert not metric.name.endswith(("_ms", "_milliseconds", "_age_seconds"))


@pytest.mark.parametrize("metric", DESCRIBED.values(), ids=lambda one: one.name)
def test_no_label_grows_without_bound(metric: Described) -> None:
    assert set(metric.labels) <= BOUNDED
    # A product of labels is what makes a server of Prometheus fall over.
    assert len(metric.labels) <= 3


def test_a_label_means_one_thing() -> None:
    """`endpoint` is the destination of events; a request's URL is a `path`."""
    by_label = {
        label: {metric.name for metric in DESCRIBED.values() if label in metric.labels}
        for label in ("endpoint", "path")
    }

    assert by_label == {
        "endpoint": {
            "penstock_undelivered",
            "penstock_oldest_undelivered_timestamp_seconds",
            "penstock_endpoint_disabled",
            "penstock_endpoint_failures",
        },
        "path": {"penstock_requests_total", "penstock_intake_seconds"},
    }


def test_every_metric_has_advice_and_no_advice_is_left_over() -> None:
    advised = [name for section in SECTIONS.values() for name in section]

    assert sorted(advised) == sorted(DESCRIBED)


def test_the_page_is_what_the_code_says() -> None:
    written = (ROOT / "docs/metrics.md").read_text()

    assert written == write_page(), "run `make docs`"


def test_what_is_known_beforehand_begins_at_zero(tmp_path: Path) -> None:
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    code = "from ingest.telemetry import metrics"
    subprocess.run([sys.executable, "-c", code], env=environ, check=True)
    registry = CollectorRegistry()
    registry.register(Archive(tmp_path))

    exposition = generate_latest(registry).decode()

    for sample in (
        'penstock_processed_total{code="409",state="rejected"}',
        'penstock_processed_by_matching_total{matching="push_sub",state="dead"}',
        'penstock_refused_total{code="429",door="http"}',
        'penstock_stage_seconds_count{stage="commit"}',
        'penstock_deliveries_total{state="failed"}',
        "penstock_dead_letters_total",
    ):
        assert f"{sample} 0.0\n" in exposition
