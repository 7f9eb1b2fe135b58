"""The machine and the versions that figures were measured on."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psycopg
import redis

from tests.benchmarks.targets import Target

_PACKAGES = (
    *("celery", "dramatiq", "kombu", "psycopg", "redis"),
    *("falcon", "uvicorn", "uvloop"),
)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2] for line in lines if line.startswith("model name")]
    return models[0].strip() if models else platform.machine()


def _server_versions(target: Target) -> dict[str, str]:
    if target.database_url is None or target.redis_url is None:
        return {}
    with psycopg.connect(target.database_url) as connection:
        postgres = connection.info.parameter_status("server_version")
    with redis.Redis.from_url(target.redis_url) as client:
        server = client.info("server")
    name = server.get("server_name", "redis")
    number = server.get(f"{name}_version", server["redis_version"])
    return {"postgres": postgres or "unknown", name: str(number)}


def gather_facts(target: Target) -> dict[str, str]:
    """Name what a reader needs to compare figures."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "system": platform.platform(terse=True),
        "load before": f"{os.getloadavg()[0]:.2f}",
        "python": platform.python_version(),
        **_server_versions(target),
        **{name: version(name) for name in _PACKAGES},
    }
