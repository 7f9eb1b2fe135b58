"""The page docs/metrics.md; `make docs` writes it, and a test keeps it current."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from ingest.exporter.families import FAMILIES
from ingest.exporter.metric_help import SECTIONS
from ingest.telemetry import metrics

_INTRODUCTION = """\
# Metrics

This page lists every metric, and what to do when it moves. It is written from the code
by `make docs`. The alerts have [runbooks](runbooks.md).

`penstock exporter` serves all metrics at one address. Intakes and workers write their
counters to files in `PROMETHEUS_MULTIPROC_DIR`; the exporter adds them up, including
those of ended processes. At each scrape it also queries Redis and Postgres, for up to
two seconds.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A metric, as the page describes it."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


def describe_all() -> dict[str, Described]:
    """Describe every metric of the processes and of the exporter, by name."""
    counted = [
        Described(
            name=_full_name(metric),
            kind=metric._type,
            labels=tuple(metric._labelnames),
            help=metric._documentation,
        )
        for metric in vars(metrics).values()
        if isinstance(metric, Counter | Gauge | Histogram)
    ]
    asked = [
        Described(name=each.name, kind=each.kind, labels=each.labels, help=each.help)
        for each in FAMILIES
    ]
    return {each.name: each for each in [*counted, *asked]}


def _full_name(metric: Counter | Gauge | Histogram) -> str:
    # The library keeps the name of a counter without its ending.
    return f"{metric._name}_total" if isinstance(metric, Counter) else metric._name


def write_page() -> str:
    """Return the page."""
    described = describe_all()
    return "\n".join([_INTRODUCTION, *_write_sections(described)])


def _write_sections(described: dict[str, Described]) -> Iterator[str]:
    for title, section in SECTIONS.items():
        yield f"## {title}\n"
        for name, advice in section.items():
            metric = described[name]
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            kind = f"{metric.kind} by {labels}" if labels else metric.kind
            yield f"**`{name}`** ({kind})  "
            yield f"{metric.help}  "
            yield f"*When it moves:* {advice}\n"


if __name__ == "__main__":
    Path("docs/metrics.md").write_text(write_page())
