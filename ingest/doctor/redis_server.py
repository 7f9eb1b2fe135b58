"""Checks of Redis: persistence, eviction, and memory."""

from collections.abc import Iterator, Mapping
from typing import Any

import redis

from ingest.doctor.findings import Finding, fail, grade, warn, well

_OLDEST_VERSION = (6, 2)
_SETTINGS = (
    "appendonly",
    "appendfsync",
    "no-appendfsync-on-rewrite",
    "maxmemory-policy",
    "maxmemory",
)


def check_redis(client: redis.Redis) -> Iterator[Finding]:
    """Check the server's version, persistence and memory."""
    info: Mapping[str, Any] = client.info()
    yield _check_version(str(info["redis_version"]), info.get("valkey_version"))
    settings = _read_settings(client)
    if settings is None:
        yield warn(
            "redis.settings",
            "CONFIG GET is not allowed",
            "Check these settings in another way: appendonly yes, appendfsync always, "
            "no-appendfsync-on-rewrite no, maxmemory-policy noeviction.",
        )
    else:
        yield from _check_persistence(settings)
        yield _check_eviction(settings["maxmemory-policy"])
    yield _check_last_write(str(info.get("aof_last_write_status", "ok")))
    yield _check_memory(int(info["used_memory"]), int(info["maxmemory"]))


def _read_settings(client: redis.Redis) -> Mapping[str, str] | None:
    """Read the settings; None where the service, or our user, may not."""
    pipeline = client.pipeline(transaction=False)
    for name in _SETTINGS:
        # Redis before version 7 takes one name at a time.
        pipeline.config_get(name)
    try:
        replies = pipeline.execute()
    except redis.ResponseError:
        return None
    known = {
        str(name): str(value) for reply in replies for name, value in reply.items()
    }
    return known if known.keys() >= set(_SETTINGS) else None


def _check_version(version: str, valkey: str | None) -> Finding:
    """Judge a version of Redis; Valkey tells one for compatibility beside its own."""
    found = f"Valkey {valkey}" if valkey else f"Redis {version}"
    parts = tuple(int(part) for part in version.split(".")[:2])
    if parts < _OLDEST_VERSION:
        return fail("redis.version", found, "Upgrade to Redis 6.2 or Valkey.")
    return well("redis.version", found)


def _check_persistence(settings: Mapping[str, str]) -> Iterator[Finding]:
    found = settings["appendonly"]
    if found == "yes":
        yield well("redis.appendonly", found)
    else:
        yield fail(
            "redis.appendonly",
            found,
            "Set `appendonly yes`. Without it, a restart of Redis loses accepted "
            "imports that are not applied yet.",
        )
    found = settings["appendfsync"]
    if found == "always":
        yield well("redis.appendfsync", found)
    else:
        yield (warn if found == "everysec" else fail)(
            "redis.appendfsync",
            found,
            f"Set `appendfsync always`. With `{found}`, a power failure can lose the "
            "last accepted imports. Cost: about 5 µs per import.",
        )
    found = settings["no-appendfsync-on-rewrite"]
    if found == "no":
        yield well("redis.no-appendfsync-on-rewrite", found)
    else:
        yield warn(
            "redis.no-appendfsync-on-rewrite",
            found,
            "Set it to `no`. With `yes`, Redis does not sync during an AOF rewrite, "
            "and a crash can lose accepted imports.",
        )


def _check_eviction(policy: str) -> Finding:
    if policy == "noeviction":
        return well("redis.maxmemory-policy", policy)
    return fail(
        "redis.maxmemory-policy",
        policy,
        "Set `maxmemory-policy noeviction`. With any other policy, Redis deletes "
        "complete streams of accepted imports when memory is low.",
    )


def _check_last_write(status: str) -> Finding:
    if status == "ok":
        return well("redis.last-write", status)
    return fail(
        "redis.last-write",
        status,
        "Check the disk of Redis: its last AOF write failed.",
    )


def _check_memory(used: int, limit: int) -> Finding:
    mebibytes = f"{used / 2**20:.0f} MiB"
    if not limit:
        return well("redis.memory", f"{mebibytes} used, no maxmemory")
    return grade(
        "redis.memory",
        used / limit,
        f"{mebibytes} used of {limit / 2**20:.0f} MiB",
        "Add workers to reduce the backlog, raise `maxmemory`, or lower "
        "PENSTOCK_MAX_WAITING. If memory is full, imports are refused.",
        bounds=(0.75, 0.95),
    )
