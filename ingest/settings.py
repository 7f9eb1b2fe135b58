"""Every setting, read once from the environment at the entry points."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from environs import Env, EnvError, ValidationError, validate

from ingest.domain.errors import PenstockError
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits
from ingest.wire.limits import Limits

#: What Postgres takes for one value of jsonb, halved for the receipt's two; a scan may
#: not hold up its partition for longer than a stall is.
_LARGEST = {"profile_bytes": 100 * 2**20, "scan_seconds": 30.0}
_SMALLEST = {"scan_seconds": 0.001}


class InvalidSettings(PenstockError):
    """A setting is missing or malformed; the message names it and what it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of this deployment."""

    #: libpq URL of Postgres.
    database_url: str
    #: URL of Redis or Valkey.
    redis_url: str
    #: Streams of accepted imports, the same for every process.
    partitions: int = 4
    #: Entries applied in one transaction, at most.
    batch_size: int = 200
    #: Their bytes, at most, but for a first one that is longer by itself.
    batch_bytes: int = 16 * 1024 * 1024
    #: Seconds a caller waits for the outcome when it does not say.
    wait_seconds: float = 10.0
    #: Longest head of a request: its first line and its headers.
    max_head_bytes: int = 64 * 1024
    #: Longest body accepted.
    max_body_bytes: int = 10 * 1024 * 1024
    #: Bytes of bodies that one intake process holds at a time, past which 503 is
    #: answered; the documents made of them may take about as much.
    max_bodies_bytes: int = 64 * 1024 * 1024
    #: Longest time a body may take.
    body_seconds: float = 120.0
    #: Bytes a second that a body must keep up, after its first ten seconds.
    min_body_rate: int = 10 * 1024
    #: Most elements of one batch.
    max_batch_elements: int = 10_000
    #: Deepest nesting accepted.
    max_depth: int = 32
    #: Most members of one object of a body.
    max_keys: int = 1000
    #: Most values of a body in all.
    max_values: int = 1_000_000
    #: Longest text of an import, in bytes.
    max_text_bytes: int = 64 * 1024
    #: Longest tag, value of a matched field, or matching key, in characters.
    max_key_length: int = 1024
    #: Most phones of a profile.
    max_phones: int = 100
    #: Most tags of one field.
    max_tags: int = 1000
    #: Most subscriptions of a profile, deleted ones included.
    max_subscriptions: int = 500
    #: Most bytes of what an import brings, and of what a profile holds.
    max_profile_bytes: int = 1024 * 1024
    #: Most values of one import that its profile is to be found by.
    max_profile_keys: int = 2000
    #: Longest time that one batch may search for profiles without an index.
    max_scan_seconds: float = 2.0
    #: Waiting imports over all partitions past which 429 is answered.
    max_waiting: int = 100_000
    #: The part of Redis's `maxmemory` past which 503 is answered.
    redis_memory_ratio: float = 0.9
    #: Longest file or upload of a job, unpacked.
    max_file_bytes: int = 10 * 1024**3
    #: Bytes that a packed byte of a file may become.
    max_unpack_ratio: int = 200
    #: Most files of one archive.
    max_archive_files: int = 100
    #: Memory that reading a workbook may take, in a process of its own.
    max_workbook_bytes: int = 1024**3
    #: Uploads of jobs that one intake process reads at a time.
    max_uploads: int = 4
    #: Mirror the body's `error` into the HTTP status (contract 14, point 1).
    mirror_errors: bool = False
    #: What a caller is told whose import is not applied within its wait: that it is
    #: `accepted`, or to `retry` (contract 16.3).
    after_wait: str = "accepted"
    #: Origins of pages whose forms may read quick import's answer; `*` for any.
    cors_origins: tuple[str, ...] = ()
    #: Where the console is, for the page at an intake's URL; empty for no link.
    console_url: str = ""
    #: Days a receipt is kept.
    receipt_days: int = 30
    #: Addresses, networks and host names that webhooks may reach though not public.
    webhook_allow: tuple[str, ...] = ()
    #: kombu URL of the broker of queue endpoints; empty for `redis_url`.
    events_broker: str = ""
    #: Path of a City database in MaxMind's format, for `detect_geo`; empty for none.
    geoip_database: str = ""
    #: AMQP URL of the queue that `penstock consume` reads; empty for a Redis stream.
    amqp_broker: str = ""
    log_level: str = "INFO"

    @property
    def limits(self) -> Limits:
        """The limits of a body, for every input."""
        return Limits(depth=self.max_depth, keys=self.max_keys, values=self.max_values)

    @property
    def profile_limits(self) -> ProfileLimits:
        """The limits of one import and of one profile."""
        return _make_profile_limits(dataclasses.asdict(self))


_ORIGIN = re.compile(r"\*|https?://[^/?#\s*]+")
_URL = re.compile(r"https?://[^/?#\s\"'<>]+[^\s\"'<>]*")


def _check_origins(origins: list[str]) -> None:
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise ValidationError(
                f"Must be an origin (such as https://example.com): {origin}"
            )


def _check_url(url: str) -> None:
    if url and not _URL.fullmatch(url):
        raise ValidationError(
            f"Must be a URL (such as https://console.example.com): {url}"
        )


def read_settings() -> Settings:
    """Read the process environment; raise InvalidSettings naming what is wrong.

    `DATABASE_URL` and `REDIS_URL` are required, `GEOIP_DATABASE` is optional. The
    rest are the fields of Settings, upper-cased and prefixed `PENSTOCK_`, such as
    `PENSTOCK_PARTITIONS`.
    """
    env = Env()
    positive = validate.Range(min=1)
    try:
        with env.prefixed("PENSTOCK_"):
            return Settings(
                database_url=Env().str("DATABASE_URL"),
                redis_url=Env().str("REDIS_URL"),
                partitions=env.int("PARTITIONS", 4, validate=positive),
                batch_size=env.int("BATCH_SIZE", 200, validate=positive),
                batch_bytes=env.int("BATCH_BYTES", 16 * 1024 * 1024, validate=positive),
                wait_seconds=env.float(
                    "WAIT_SECONDS", 10.0, validate=validate.Range(min=0, max=300)
                ),
                max_head_bytes=env.int(
                    "MAX_HEAD_BYTES",
                    64 * 1024,
                    validate=validate.Range(min=1024, max=2**20),
                ),
                max_body_bytes=env.int(
                    "MAX_BODY_BYTES", 10 * 1024 * 1024, validate=positive
                ),
                max_bodies_bytes=env.int(
                    "MAX_BODIES_BYTES", 64 * 1024 * 1024, validate=positive
                ),
                body_seconds=env.float(
                    "BODY_SECONDS", 120.0, validate=validate.Range(min=1, max=3600)
                ),
                min_body_rate=env.int(
                    "MIN_BODY_RATE", 10 * 1024, validate=validate.Range(min=0)
                ),
                max_batch_elements=env.int(
                    "MAX_BATCH_ELEMENTS", 10_000, validate=positive
                ),
                max_depth=env.int(
                    "MAX_DEPTH", 32, validate=validate.Range(min=1, max=128)
                ),
                max_keys=env.int("MAX_KEYS", 1000, validate=positive),
                max_values=env.int("MAX_VALUES", 1_000_000, validate=positive),
                **_read_profile_limits(env),
                max_waiting=env.int("MAX_WAITING", 100_000, validate=positive),
                redis_memory_ratio=env.float(
                    "REDIS_MEMORY_RATIO", 0.9, validate=validate.Range(min=0.1, max=1)
                ),
                max_file_bytes=env.int(
                    "MAX_FILE_BYTES", 10 * 1024**3, validate=positive
                ),
                max_unpack_ratio=env.int("MAX_UNPACK_RATIO", 200, validate=positive),
                max_archive_files=env.int("MAX_ARCHIVE_FILES", 100, validate=positive),
                max_workbook_bytes=env.int(
                    "MAX_WORKBOOK_BYTES", 1024**3, validate=positive
                ),
                max_uploads=env.int("MAX_UPLOADS", 4, validate=positive),
                mirror_errors=env.bool("MIRROR_ERRORS", False),
                after_wait=env.str(
                    "AFTER_WAIT",
                    "accepted",
                    validate=validate.OneOf(["accepted", "retry"]),
                ),
                cors_origins=tuple(
                    env.list("CORS_ORIGINS", [], validate=_check_origins)
                ),
                console_url=env.str("CONSOLE_URL", "", validate=_check_url),
                receipt_days=env.int("RECEIPT_DAYS", 30, validate=positive),
                webhook_allow=tuple(env.list("WEBHOOK_ALLOW", [])),
                events_broker=env.str("EVENTS_BROKER", ""),
                geoip_database=Env().str("GEOIP_DATABASE", ""),
                amqp_broker=env.str("AMQP_BROKER", ""),
                log_level=env.str("LOG_LEVEL", "INFO").upper(),
            )
    except EnvError as error:
        raise InvalidSettings(str(error)) from error


def read_profile_limits() -> ProfileLimits:
    """Read the limits of profiles alone; raise InvalidSettings as `read_settings`."""
    env = Env()
    try:
        with env.prefixed("PENSTOCK_"):
            return _make_profile_limits(_read_profile_limits(env))
    except EnvError as error:
        raise InvalidSettings(str(error)) from error


def _read_profile_limits(env: Env) -> dict[str, Any]:
    """Read the settings that are limits of profiles, by their names."""
    return {
        f"max_{name}": (env.float if isinstance(default, float) else env.int)(
            f"MAX_{name.upper()}",
            default,
            validate=validate.Range(min=_SMALLEST.get(name, 1), max=_LARGEST.get(name)),
        )
        for name, default in dataclasses.asdict(DEFAULT_LIMITS).items()
    }


def _make_profile_limits(settings: Mapping[str, Any]) -> ProfileLimits:
    limits = {
        name: settings[f"max_{name}"] for name in dataclasses.asdict(DEFAULT_LIMITS)
    }
    return ProfileLimits(**limits)
