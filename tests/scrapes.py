"""What a scrape of the exporter shows."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from ingest.exporter.registry import open_registry
from ingest.settings import Settings


def scrape(exposition: str) -> dict[str, dict[str, float]]:
    """Return values by metric and its one label."""
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            label = ",".join(sample.labels.values())
            found.setdefault(sample.name, {})[label] = sample.value
    return found


def ask(settings: Settings) -> dict[str, dict[str, float]]:
    with open_registry(settings, None) as registry:
        return scrape(generate_latest(registry).decode())
