"""A Prometheus of the tests' own, scraping one exporter each second."""

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.intakes import wait_until
from tests.programs import find_program

RULES = Path(__file__).parents[1] / "deploy/prometheus"


@dataclass(frozen=True)
class Prometheus:
    """What answers queries."""

    url: str

    def ask(self, path: str, **parameters: Any) -> Any:
        """Return the data of an answer; fail on what Prometheus cannot do."""
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        said: Mapping[str, Any] = answer.json()
        assert said["status"] == "success", said
        return said["data"]

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False


def write_config(target: Path, exporter: str) -> None:
    """Write the shipped configuration, but faster, and for `exporter` alone."""
    config = yaml.safe_load((RULES / "prometheus.yml").read_text())
    config["global"] = {
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "evaluation_interval": "1s",
    }
    config["rule_files"] = [str(RULES / name) for name in config["rule_files"]]
    jobs = [job for job in config["scrape_configs"] if job["job_name"] == "penstock"]
    jobs[0]["static_configs"] = [{"targets": [exporter]}]
    target.write_text(yaml.safe_dump({**config, "scrape_configs": jobs}))


@contextmanager
def scraping(directory: Path, exporter: str) -> Iterator[Prometheus]:
    """Run Prometheus on `exporter` (host and port) until the block ends."""
    program = find_program("prometheus")
    config = directory / "prometheus.yml"
    write_config(config, exporter)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    argv = [program, f"--config.file={config}", f"--web.listen-address={address}"]
    argv += [f"--storage.tsdb.path={directory / 'data'}", "--log.level=warn"]
    with (directory / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    prometheus = Prometheus(f"http://{address}")
    try:
        wait_until(prometheus.is_ready)
        yield prometheus
    finally:
        process.terminate()
        process.wait(30)
