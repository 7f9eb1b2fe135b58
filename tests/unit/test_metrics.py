"""Metrics: names of one family, and labels that cannot grow without bound."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from ingest import metrics

OURS = [
    metric
    for metric in vars(metrics).values()
    if isinstance(metric, Counter | Histogram)
]


@pytest.mark.parametrize("metric", OURS, ids=lambda metric: metric._name)
def test_every_metric_is_named_and_explained(
    metric: Counter | Histogram,
) -> None:
    assert metric._name.startswith("penstock_")
    assert metric._documentation.endswith(".")
    assert not {"import_id", "database_id", "token_id"} & set(metric._labelnames)


def test_metrics_are_in_the_default_registry() -> None:
    names = {metric.name for metric in REGISTRY.collect()}

    assert {metric._name for metric in OURS} <= names


def test_two_processes_add_up_and_their_files_name_the_host(tmp_path: Path) -> None:
    code = "from ingest import metrics; metrics.ACCEPTED.labels('http').inc(2)"
    environ = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], env=environ, check=True)
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(tmp_path))  # type: ignore[no-untyped-call]

    exposition = generate_latest(registry).decode()

    assert 'penstock_accepted_total{door="http"} 4.0' in exposition
    assert all("-" in path.stem for path in tmp_path.iterdir())
