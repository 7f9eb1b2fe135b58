"""Each alert fires when it should, and at no other time; promtool is the judge."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.exporter.page import describe_all
from tests.programs import find_program

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus"
RUNBOOKS = (ROOT / "docs/runbooks.md").read_text()
ALERTS: Mapping[str, Mapping[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
}
RECORDED: Mapping[str, str] = {
    rule["record"]: rule["expr"]
    for group in yaml.safe_load((RULES / "recording.yml").read_text())["groups"]
    for rule in group["rules"]
}


@dataclass(frozen=True)
class Case:
    """Samples a minute apart that make an alert fire, and others that must not."""

    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    #: When to look.
    after: str = "20m"
    #: How often rules are evaluated; less often where it takes a day.
    every: str = "1m"


#: A moment told as a timestamp while promtool's clock begins at 0: samples are what
#: the clock shows, less the age.
STANDS = "0x60"
NOW = "0+60x60"
UNDELIVERED = 'penstock_oldest_undelivered_timestamp_seconds{endpoint="1"}'

CASES = {
    "PenstockHeartbeatLate": Case(
        fires={'penstock_heartbeat_applied_timestamp_seconds{partition="0"}': STANDS},
        quiet={'penstock_heartbeat_applied_timestamp_seconds{partition="0"}': NOW},
    ),
    "PenstockNoProgress": Case(
        fires={
            'penstock_oldest_accepted_timestamp_seconds{partition="1"}': STANDS,
            'penstock_drained_timestamp_seconds{partition="1"}': STANDS,
            'penstock_drained_timestamp_seconds{partition="0"}': NOW,
        },
        # A long backlog of which batch after batch is applied.
        quiet={
            'penstock_oldest_accepted_timestamp_seconds{partition="1"}': STANDS,
            'penstock_drained_timestamp_seconds{partition="1"}': NOW,
        },
    ),
    "PenstockPartitionFails": Case(
        fires={'penstock_attempts{partition="1"}': "0+2x60"},
        # A batch is under way at each look.
        quiet={'penstock_attempts{partition="1"}': "1x60"},
    ),
    "PenstockImportsOld": Case(
        fires={
            'penstock_oldest_accepted_timestamp_seconds{partition="1"}': STANDS,
            'penstock_waiting{partition="1"}': "5x60",
        },
        quiet={'penstock_waiting{partition="1"}': "0x60"},
    ),
    "PenstockImportsLate": Case(
        fires={
            'penstock_accepted_to_processed_seconds_bucket{le="10.0"}': "0+9x60",
            "penstock_accepted_to_processed_seconds_count": "0+10x60",
        },
        # A minute of trouble in an hour that was well.
        quiet={
            'penstock_accepted_to_processed_seconds_bucket{le="10.0"}': (
                "0+1000x48 48000x12"
            ),
            "penstock_accepted_to_processed_seconds_count": "0+1000x48 48010x12",
        },
        after="55m",
    ),
    "PenstockBacklogStays": Case(
        fires={
            "penstock_time_to_drain_seconds": "7200x60",
            'penstock_waiting{partition="1"}': "20000x60",
        },
        quiet={
            "penstock_time_to_drain_seconds": "7200x60",
            'penstock_waiting{partition="1"}': "20x60",
        },
    ),
    "PenstockImportsMissing": Case(
        fires={'penstock_ledger_imbalance{database="1"}': "1x60"},
        quiet={'penstock_ledger_imbalance{database="1"}': "0x60"},
    ),
    "PenstockDeadLettersGrow": Case(
        fires={"penstock_dead_letters_total": "0x18 1x40"},
        quiet={"penstock_dead_letters_total": "7x60"},
    ),
    "PenstockHeldOld": Case(
        fires={"penstock_oldest_held_accepted_timestamp_seconds": "-90000x60"},
        quiet={"penstock_oldest_held_accepted_timestamp_seconds": "-80000x60"},
    ),
    "PenstockSegmentsLate": Case(
        fires={
            "penstock_oldest_segment_move_due_timestamp_seconds": "-400x60",
            "penstock_segment_builds": "0x60",
        },
        quiet={
            "penstock_oldest_segment_move_due_timestamp_seconds": "-400x60",
            "penstock_segment_builds": "1x60",
        },
    ),
    "PenstockPeopleSearchLate": Case(
        fires={"penstock_people_search_caught_up_timestamp_seconds": "-400x60"},
        quiet={"penstock_people_search_caught_up_timestamp_seconds": "0+60x60"},
    ),
    "PenstockSegmentsDiffer": Case(
        fires={"penstock_segment_mismatches": "1x60"},
        quiet={"penstock_segment_mismatches": "0x60"},
    ),
    "PenstockSuppressionLate": Case(
        fires={"penstock_suppression_work": "1x60"},
        quiet={"penstock_suppression_work": "1 0x60"},
    ),
    "PenstockRejectsJump": Case(
        fires={
            'penstock_processed_total{state="rejected"}': "0x1440 0+60x30",
            'penstock_processed_total{state="created"}': "0+60x1470",
        },
        # As many as ever: a producer that has always sent bad ones.
        quiet={
            'penstock_processed_total{state="rejected"}': "0+60x1470",
            'penstock_processed_total{state="created"}': "0+60x1470",
        },
        after="1465m",
        every="5m",
    ),
    "PenstockConflictsJump": Case(
        fires={
            "penstock_conflicts_total": "0x1440 0+20x30",
            'penstock_processed_total{state="created"}': "0+60x1470",
        },
        quiet={
            "penstock_conflicts_total": "0x1470",
            'penstock_processed_total{state="created"}': "0+60x1470",
        },
        after="1465m",
        every="5m",
    ),
    "PenstockOrphanKeys": Case(
        fires={
            'penstock_orphan_keys_total{kind="email"}': "0x60",
            'penstock_orphan_keys_total{kind="phone"}': "0x15 2x45",
        },
        # What was counted long ago.
        quiet={'penstock_orphan_keys_total{kind="phone"}': "7x60"},
    ),
    "PenstockRefusesOverload": Case(
        fires={'penstock_refused_total{code="429",door="http"}': "0+5x60"},
        quiet={
            'penstock_refused_total{code="429",door="http"}': "5x60",
            'penstock_refused_total{code="400",door="http"}': "0+5x60",
        },
    ),
    "PenstockRequestsFail": Case(
        fires={
            'penstock_requests_total{status="503"}': "0+2x60",
            'penstock_requests_total{status="200"}': "0+98x60",
        },
        quiet={
            'penstock_requests_total{status="503"}': "0x60",
            'penstock_requests_total{status="400"}': "0+98x60",
        },
    ),
    "PenstockTasksRetried": Case(
        fires={
            'penstock_tasks_retried_total{task="penstock.drain",error_class="E"}': (
                "0+60x60"
            )
        },
        quiet={
            'penstock_tasks_retried_total{task="penstock.drain",error_class="E"}': (
                "0x5 30x60"
            )
        },
    ),
    "PenstockProcessesRestart": Case(
        fires={'penstock_process_starts_total{role="drain"}': "0+3x60"},
        quiet={'penstock_process_starts_total{role="drain"}': "0x10 8x50"},
    ),
    "PenstockRetentionRefused": Case(
        fires={"penstock_retention_refused_total": "0x30 1x60 2x120"},
        # Once: nothing was applied while the machine was off.
        quiet={"penstock_retention_refused_total": "0x30 1x180"},
        after="110m",
    ),
    "PenstockExporterDown": Case(
        fires={'up{job="penstock"}': "0x60"}, quiet={'up{job="penstock"}': "1x60"}
    ),
    "PenstockRedisDown": Case(
        fires={"penstock_redis_up": "0x60"}, quiet={"penstock_redis_up": "1x60"}
    ),
    "PenstockPostgresDown": Case(
        fires={"penstock_postgres_up": "0x60"}, quiet={"penstock_postgres_up": "1x60"}
    ),
    "PenstockRedisNearlyFull": Case(
        fires={
            "penstock_redis_memory_bytes": "90x60",
            "penstock_redis_memory_limit_bytes": "100x60",
        },
        # Without a limit there is no share of it.
        quiet={
            "penstock_redis_memory_bytes": "90x60",
            "penstock_redis_memory_limit_bytes": "0x60",
        },
    ),
    "PenstockRedisMayEvict": Case(
        fires={"penstock_redis_noeviction": "0x60"},
        quiet={
            "penstock_redis_noeviction": "1x60",
            "penstock_redis_evicted_keys_total": "3x60",
        },
    ),
    "PenstockRedisNotDurable": Case(
        fires={
            "penstock_redis_aof_enabled": "1x60",
            "penstock_redis_aof_write_ok": "0x60",
        },
        quiet={
            "penstock_redis_aof_enabled": "1x60",
            "penstock_redis_aof_write_ok": "1x60",
        },
    ),
    "PenstockEndpointFails": Case(
        fires={'penstock_endpoint_failures{endpoint="1"}': "5x60"},
        quiet={'penstock_endpoint_failures{endpoint="1"}': "2x60"},
    ),
    "PenstockEventsUndelivered": Case(
        fires={'penstock_oldest_undelivered_timestamp_seconds{endpoint="1"}': "0x90"},
        quiet={
            'penstock_oldest_undelivered_timestamp_seconds{endpoint="1"}': "0+60x90"
        },
        after="80m",
    ),
    "PenstockEndpointDisabled": Case(
        fires={'penstock_endpoint_disabled{endpoint="1"}': "1x60"},
        quiet={'penstock_endpoint_disabled{endpoint="1"}': "0x60"},
    ),
    "PenstockDeliveriesFailed": Case(
        fires={'penstock_deliveries_total{state="failed"}': "0x10 3x50"},
        quiet={
            'penstock_deliveries_total{state="failed"}': "3x60",
            'penstock_deliveries_total{state="pending"}': "0+9x60",
        },
    ),
}


def count_firing(alert: str, series: Mapping[str, str], after: str, count: int) -> Any:
    """Describe a test of promtool: how many alerts of the name fire by then."""
    return {
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values} for name, values in series.items()
        ],
        "promql_expr_test": [
            {
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}})',
                "eval_time": after,
                "exp_samples": [{"labels": "{}", "value": count}] if count else [],
            }
        ],
    }


@pytest.mark.parametrize("alert", ALERTS)
def test_it_fires_when_it_should_and_not_otherwise(alert: str, tmp_path: Path) -> None:
    promtool = find_program("promtool")
    case = CASES[alert]
    document = {
        "rule_files": [str(RULES / "recording.yml"), str(RULES / "alerts.yml")],
        "evaluation_interval": case.every,
        "tests": [
            count_firing(alert, case.fires, case.after, 1),
            count_firing(alert, case.quiet, case.after, 0),
        ],
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))

    ran = subprocess.run(
        [promtool, "test", "rules", str(tmp_path / "tests.yml")],
        check=False,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_case_is_of_an_alert_that_exists() -> None:
    assert set(CASES) == set(ALERTS)


def test_promtool_accepts_the_configuration() -> None:
    promtool = find_program("promtool")

    for what, file in (("config", "prometheus.yml"), ("rules", "alerts.yml")):
        ran = subprocess.run(
            [promtool, "check", what, str(RULES / file)],
            check=False,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_how_bad_and_where_to_read_on(alert: str) -> None:
    rule = ALERTS[alert]
    annotations = rule["annotations"]

    assert alert.startswith("Penstock")
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert annotations["summary"]
    assert annotations["description"].endswith(".")
    assert annotations["runbook_url"] == f"docs/runbooks.md#{alert.lower()}"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_has_a_runbook(alert: str) -> None:
    section = RUNBOOKS.partition(f"\n## {alert}\n")[2].partition("\n## ")[0]

    for part in ("**Meaning.**", "**Diagnosis.**", "**Mitigation.**"):
        assert part in section


def test_no_runbook_is_of_an_alert_that_is_gone() -> None:
    assert set(re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE)) == set(ALERTS)


def test_rules_ask_for_metrics_and_records_that_exist() -> None:
    expressions = [*RECORDED.values(), *(rule["expr"] for rule in ALERTS.values())]
    asked = {
        name
        for expression in expressions
        for name in re.findall(r"penstock[\w:]+", expression)
    }

    known = set(describe_all()) | set(RECORDED)
    parts = ("_bucket", "_count", "_sum")
    assert {name for name in asked if name not in known} <= {
        f"{name}{part}" for name in known for part in parts
    }
