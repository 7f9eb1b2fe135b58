"""`penstock doctor`: look for what bites this stack, and say what to do."""

import json
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from ingest.commands.databases import database_options, redis_options
from ingest.doctor.examination import Subject, examine
from ingest.doctor.findings import Finding, Level

_COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "bold red"}
_STATUSES = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}


def _print(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        line = Text(f"{finding.level:4} ", style=_COLOURS[finding.level])
        line.append(f"{finding.check:34} {finding.found}", style="default")
        console.print(line)
        if finding.advice:
            console.print(Text(f"     → {finding.advice}"))
    counts = (
        f"{sum(finding.level is level for finding in findings)} {level}"
        for level in Level
    )
    console.print(", ".join(counts))


@click.command(
    epilog="""\b
Exit status:
  0  all is well
  1  something will bite one day (warn)
  2  something bites (fail), or the command was given wrongly
\b
Example:
  penstock doctor --json"""
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array.")
@click.option(
    "--batch-size",
    envvar="PENSTOCK_BATCH_SIZE",
    show_envvar=True,
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Imports in one transaction, as workers are told.",
)
@click.option(
    "--max-waiting",
    envvar="PENSTOCK_MAX_WAITING",
    show_envvar=True,
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Waiting imports past which intakes refuse.",
)
@click.option(
    "--metrics-dir",
    envvar="PROMETHEUS_MULTIPROC_DIR",
    show_envvar=True,
    default="",
    help="Where this host's processes count.",
)
@redis_options
@database_options
def doctor(*, as_json: bool, **subject: object) -> None:
    """Check Redis, Postgres, the schema, the workers and this host.

    Every check says what it found and, unless all is well, what to do. Nothing is
    changed.
    """
    # click has read each as Subject declares it.
    findings = list(examine(Subject(**subject)))  # type: ignore[arg-type]
    if as_json:
        found = [asdict(finding) for finding in findings]
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(findings)
    raise SystemExit(max(_STATUSES[finding.level] for finding in findings))
