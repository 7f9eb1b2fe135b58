"""`penstock doctor`: check the deployment for problems."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click
from rich.console import Console
from rich.text import Text

from ingest.commands.databases import database_options, has_secret, redis_options
from ingest.doctor.examination import Subject, examine
from ingest.doctor.findings import Finding, Severity
from ingest.domain.counts import count

_COLOURS = {Severity.OK: "green", Severity.WARN: "yellow", Severity.FAIL: "bold red"}
_STATUSES = {Severity.OK: 0, Severity.WARN: 1, Severity.FAIL: 2}


def _print(findings: Sequence[Finding]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in findings:
        line = Text(f"{finding.level:7} ", style=_COLOURS[finding.level])
        line.append(f"{finding.check:34} {finding.found}", style="default")
        console.print(line)
        if finding.advice:
            console.print(Text(f"        → {finding.advice}"))
    levels = Counter(finding.level for finding in findings)
    warnings = count(levels[Severity.WARN], "warning")
    console.print(
        f"{levels[Severity.OK]} ok, {warnings}, {levels[Severity.FAIL]} failed"
    )


@click.command(
    epilog="""\b
Exit status:
  0  all checks passed
  1  warnings only
  2  at least one check failed, or usage error
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
    help="Batch size that the workers use.",
)
@click.option(
    "--max-waiting",
    envvar="PENSTOCK_MAX_WAITING",
    show_envvar=True,
    type=click.IntRange(min=1),
    default=100_000,
    show_default=True,
    help="Number of waiting imports at which intakes refuse more.",
)
@click.option(
    "--metrics-dir",
    envvar="PROMETHEUS_MULTIPROC_DIR",
    show_envvar=True,
    default="",
    help="Directory in which this host's processes write their metrics.",
)
@redis_options
@database_options
def doctor(*, as_json: bool, **subject: object) -> None:
    """Check Redis, Postgres, the schema, the workers, and this host.

    Each check prints what it measured and, if there is a problem, how to fix it.
    Nothing is changed.
    """
    # click has read each as Subject declares it.
    known = has_secret(str(subject["database_url"]))
    findings = list(
        examine(Subject(has_secret=known, **subject))  # type: ignore[arg-type]
    )
    if as_json:
        found = [asdict(finding) for finding in findings]
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        _print(findings)
    raise SystemExit(max(_STATUSES[finding.level] for finding in findings))
