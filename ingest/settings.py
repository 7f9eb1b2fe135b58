"""Every setting, read once from the environment at the entry points.

Each is declared once: its type, its default, what it takes, and what docs/settings.md
says of it, which is written from here by `make docs`.
"""

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from environs import Env, EnvError, ValidationError, validate

from ingest.domain.errors import InvalidValue, PenstockError
from ingest.domain.limits import DEFAULT_LIMITS, ProfileLimits
from ingest.domain.secrets import parse_secret
from ingest.wire.limits import Limits

_ORIGIN = re.compile(r"\*|https?://[^/?#\s*]+")
_URL = re.compile(r"https?://[^/?#\s\"'<>]+[^\s\"'<>]*")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


class InvalidSettings(PenstockError):
    """A setting is missing or malformed; the message names it and what it takes."""


def _check_origins(origins: Iterable[str]) -> None:
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


def _check_networks(texts: Iterable[str]) -> None:
    for text in texts:
        try:
            ip_network(text, strict=False)
        except ValueError:
            raise ValidationError(
                f"Must be an address or network (such as 10.0.0.0/8): {text}"
            ) from None


def _check_secret(secret: str) -> None:
    try:
        parse_secret(secret or "00" * 32)
    except InvalidValue as error:
        raise ValidationError(str(error)) from None


def _check_level(level: str) -> None:
    if level.upper() not in _LEVELS:
        raise ValidationError(f"Must be one of: {', '.join(_LEVELS)}.")


_POSITIVE = validate.Range(min=1)


def _setting(
    meaning: str,
    default: object = MISSING,
    check: Callable[[Any], Any] | None = None,
    *,
    variable: str = "",
    shown: str | None = None,
) -> Any:
    """Declare a setting: what the page says of it, its default, and what it takes.

    `variable` is its name in the environment, unless it is the field's with
    `PENSTOCK_` before it; `shown` is what the page calls its default.
    """
    told = {"meaning": meaning, "check": check, "variable": variable, "shown": shown}
    return field(default=default, metadata=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of this deployment."""

    database_url: str = _setting("libpq URL of Postgres", variable="DATABASE_URL")
    redis_url: str = _setting("URL of Redis or Valkey", variable="REDIS_URL")
    partitions: int = _setting(
        "number of partitions, the same for all processes;"
        " [how to change it](partitions.md)",
        4,
        _POSITIVE,
    )
    batch_size: int = _setting(
        "maximum number of imports in a transaction batch", 200, _POSITIVE
    )
    batch_bytes: int = _setting(
        "maximum bytes of a transaction batch; a single import may be longer",
        16 * 2**20,
        _POSITIVE,
    )
    wait_seconds: float = _setting(
        "seconds that a request waits for its outcome, unless it sends"
        " `Prefer: wait=N`",
        10.0,
        validate.Range(min=0, max=300),
    )
    max_head_bytes: int = _setting(
        "maximum bytes of path and headers; beyond it 431",
        64 * 2**10,
        validate.Range(min=1024, max=2**20),
    )
    max_body_bytes: int = _setting("maximum bytes of a body", 10 * 2**20, _POSITIVE)
    max_bodies_bytes: int = _setting(
        "maximum bytes of bodies in one intake process; beyond it 503. The parsed"
        " documents may need as much again",
        64 * 2**20,
        _POSITIVE,
    )
    body_seconds: float = _setting(
        "maximum seconds for a body to arrive; then 408",
        120.0,
        validate.Range(min=1, max=3600),
    )
    min_body_rate: int = _setting(
        "minimum bytes per second of a body after its first ten seconds; below it 408."
        " 0 is no minimum",
        10 * 2**10,
        validate.Range(min=0),
    )
    max_batch_elements: int = _setting(
        "maximum number of elements in a batch", 10_000, _POSITIVE
    )
    live_batch_elements: int = _setting(
        "elements of the largest batch of the live lane; larger batches and"
        " asynchronous ones use the bulk lane",
        500,
        validate.Range(min=0),
    )
    max_depth: int = _setting(
        "maximum nesting of a body", 32, validate.Range(min=1, max=128)
    )
    max_keys: int = _setting(
        "maximum number of members of an object, children of an element, or fields of"
        " a form",
        1000,
        _POSITIVE,
    )
    max_values: int = _setting(
        "maximum number of values of a body; in XML, of tags", 1_000_000, _POSITIVE
    )
    max_text_bytes: int = _setting(
        "maximum bytes of a string", DEFAULT_LIMITS.text_bytes, _POSITIVE
    )
    max_key_length: int = _setting(
        "maximum characters of a tag, a value of a `match` field, or a matching key",
        DEFAULT_LIMITS.key_length,
        _POSITIVE,
    )
    max_phones: int = _setting(
        "maximum number of phones of a profile", DEFAULT_LIMITS.phones, _POSITIVE
    )
    max_tags: int = _setting(
        "maximum number of tags of a field", DEFAULT_LIMITS.tags, _POSITIVE
    )
    max_subscriptions: int = _setting(
        "maximum number of subscriptions of a profile, including deleted ones",
        DEFAULT_LIMITS.subscriptions,
        _POSITIVE,
    )
    max_profile_bytes: int = _setting(
        "maximum bytes of JSON of an import, and of all fields and subscription fields"
        " of a profile",
        DEFAULT_LIMITS.profile_bytes,
        # What Postgres takes for one value of jsonb, halved for the receipt's two.
        validate.Range(min=1, max=100 * 2**20),
    )
    max_profile_keys: int = _setting(
        "maximum number of match keys of an import: contacts, tags, and values of"
        " `match` fields",
        DEFAULT_LIMITS.profile_keys,
        _POSITIVE,
    )
    max_scan_seconds: float = _setting(
        "maximum seconds that a transaction batch searches profiles by fields without"
        " an index; imports not matched by then are rejected. Later imports wait",
        DEFAULT_LIMITS.scan_seconds,
        # It may not hold up its partition for longer than a stall is.
        validate.Range(min=0.001, max=30),
    )
    max_waiting: int = _setting(
        "maximum backlog, for all intakes; beyond it 429", 100_000, _POSITIVE
    )
    redis_memory_ratio: float = _setting(
        "share of the `maxmemory` of Redis; beyond it 503",
        0.9,
        validate.Range(min=0.1, max=1),
    )
    max_file_bytes: int = _setting(
        "maximum bytes of a file or upload, unpacked", 10 * 2**30, _POSITIVE
    )
    max_unpack_ratio: int = _setting(
        "maximum bytes that a compressed byte may expand to", 200, _POSITIVE
    )
    max_archive_files: int = _setting(
        "maximum number of files in a zip file", 100, _POSITIVE
    )
    max_workbook_bytes: int = _setting(
        "maximum memory to read a workbook, in a separate process; the file may be a"
        " quarter of it",
        2**30,
        _POSITIVE,
    )
    max_uploads: int = _setting(
        "maximum number of simultaneous uploads in one intake process; in the console,"
        " of simultaneous imports and dry runs of files",
        4,
        _POSITIVE,
    )
    console_dir: str = _setting(
        "directory of the console for uploaded files, until they are imported",
        "",
        shown="`penstock-uploads` in the directory for temporary files",
    )
    max_console_bytes: int = _setting(
        "maximum bytes of uploaded files in the console; a file may be as large",
        4 * 2**30,
        _POSITIVE,
    )
    max_console_files: int = _setting(
        "maximum number of uploaded files in the console", 100, _POSITIVE
    )
    console_hours: int = _setting(
        "hours to keep an uploaded file in the console", 24, _POSITIVE
    )
    spool_dir: str = _setting(
        "directory for uploads with `Prefer: respond-async`, which are answered as soon"
        " as they are kept there. Intakes of one machine can share it. Without it, such"
        " an upload is answered after its last row",
        "",
    )
    max_spool_bytes: int = _setting(
        "maximum bytes in `PENSTOCK_SPOOL_DIR`; beyond it 429", 10 * 2**30, _POSITIVE
    )
    spool_hours: int = _setting(
        "hours that an upload waits in `PENSTOCK_SPOOL_DIR` at most", 24, _POSITIVE
    )
    export_seconds: int = _setting(
        "maximum seconds of an export over HTTP, which reads one snapshot",
        3600,
        _POSITIVE,
    )
    #: Contract 14, point 1.
    mirror_errors: bool = _setting("mirror `error` into the HTTP status", default=False)
    #: Contract 16.3.
    after_wait: str = _setting(
        "response if an import is not processed within its wait: `accepted` (202,"
        " `error` 0) or `retry` (503, `error` 503, `Retry-After`, and the"
        " `import_id`). A retry is safe only with an `Idempotency-Key`",
        "accepted",
        validate.OneOf(["accepted", "retry"]),
    )
    cors_origins: tuple[str, ...] = _setting(
        "origins whose pages may read responses of quick import, separated by commas,"
        " such as `https://example.com`; `*` for any",
        (),
        _check_origins,
    )
    console_url: str = _setting(
        "URL of the console, for the link on the start page of an intake;"
        " `penstock up` sets it",
        "",
        _check_url,
    )
    public_url: str = _setting(
        "URL of the intakes for the people who confirm a subscription, such as"
        " `https://intake.example.com`; `/confirm/…` must lead to an intake."
        " `penstock up` sets it",
        "",
        _check_url,
    )
    trusted_proxies: tuple[str, ...] = _setting(
        "addresses and networks (CIDR) of reverse proxies, separated by commas, whose"
        " `X-Forwarded-For` has the address of a person who confirms",
        (),
        _check_networks,
    )
    secret: str = _setting(
        "secret of this deployment, at least 32 random bytes in hexadecimal or base64"
        " (`openssl rand -hex 32`), the same for all processes;"
        " [what it is for](security.md#the-secret-of-the-deployment). `penstock up`"
        " creates one in its state directory",
        "",
        _check_secret,
    )
    receipt_days: int = _setting("days to keep receipts", 30, _POSITIVE)
    consent_days: int = _setting(
        "days to keep the history of subscription statuses", 1825, _POSITIVE
    )
    webhook_allow: tuple[str, ...] = _setting(
        "addresses, networks (CIDR), and host names that webhooks may reach although"
        " they are not public, separated by commas",
        (),
    )
    events_broker: str = _setting(
        "kombu URL of the broker of queue endpoints", "", shown="`REDIS_URL`"
    )
    geoip_database: str = _setting(
        "MaxMind City database (GeoIP2, GeoLite2, DB-IP) for `detect_geo`. Without it,"
        " `detect_geo` adds nothing, which receipts (`skipped`), `penstock doctor`"
        " (`work.geo`), and the log of the worker report. Each worker process loads it"
        " into memory, and again after a change",
        "",
        variable="GEOIP_DATABASE",
    )
    amqp_broker: str = _setting(
        "URL of the AMQP broker from which `penstock consume` reads, instead of the"
        " Redis stream",
        "",
    )
    log_level: str = _setting(
        "minimum level of log lines: `DEBUG`, `INFO`, `WARNING`, `ERROR`, or"
        " `CRITICAL`",
        "INFO",
        _check_level,
    )

    @property
    def limits(self) -> Limits:
        """The limits of a body, for every input."""
        return Limits(depth=self.max_depth, keys=self.max_keys, values=self.max_values)

    @property
    def profile_limits(self) -> ProfileLimits:
        """The limits of one import and of one profile."""
        return _make_profile_limits(dataclasses.asdict(self))


def _read_list(env: Env, *args: Any, **options: Any) -> tuple[str, ...]:
    return tuple(env.list(*args, **options))


_READERS: Mapping[object, Callable[..., object]] = {
    int: Env.int,
    float: Env.float,
    bool: Env.bool,
    str: Env.str,
    tuple[str, ...]: _read_list,
}


def _variable(setting: dataclasses.Field[Any]) -> str:
    return setting.metadata["variable"] or f"PENSTOCK_{setting.name.upper()}"


def _read(settings: Iterable[dataclasses.Field[Any]]) -> dict[str, Any]:
    env = Env()
    try:
        return {
            each.name: _READERS[each.type](
                env,
                _variable(each),
                *(() if each.default is MISSING else (each.default,)),
                validate=each.metadata["check"],
            )
            for each in settings
        }
    except EnvError as error:
        raise InvalidSettings(str(error)) from error


def read_settings() -> Settings:
    """Read the process environment; raise InvalidSettings naming what is wrong."""
    return Settings(**_read(fields(Settings)))


def read_secret() -> bytes | None:
    """Read the secret of the deployment alone; None for none.

    Raises InvalidSettings as `read_settings`.
    """
    (text,) = _read(each for each in fields(Settings) if each.name == "secret").values()
    return parse_secret(text) if text else None


_PROFILE_LIMITS = {f"max_{each.name}": each.name for each in fields(ProfileLimits)}


def read_profile_limits() -> ProfileLimits:
    """Read the limits of profiles alone; raise InvalidSettings as `read_settings`."""
    return _make_profile_limits(
        _read(each for each in fields(Settings) if each.name in _PROFILE_LIMITS)
    )


def _make_profile_limits(settings: Mapping[str, Any]) -> ProfileLimits:
    return ProfileLimits(
        **{limit: settings[name] for name, limit in _PROFILE_LIMITS.items()}
    )


_INTRODUCTION = """\
# Settings

This page lists all settings. They are environment variables; `penstock up` sets the
first two itself. It is written from the code by `make docs`.

| Variable | Default | Allowed | Meaning |
| --- | --- | --- | --- |
"""
#: What other programs or only some commands read.
_OTHERS = """\
| `PENSTOCK_POSTGRES_BIN`, `PENSTOCK_REDIS_BIN` | | | directories of the server programs, for `penstock up` |
| `PROMETHEUS_MULTIPROC_DIR` | | | directory for the metrics of all processes of a host; the exporter merges the files of ended processes |
"""  # noqa: E501


def write_page() -> str:
    """Return the page docs/settings.md."""
    rows = (
        f"| `{_variable(each)}` | {_show_default(each)} | {_show_allowed(each)}"
        f" | {each.metadata['meaning']} |\n"
        for each in fields(Settings)
    )
    return f"{_INTRODUCTION}{''.join(rows)}{_OTHERS}"


def _show_default(setting: dataclasses.Field[Any]) -> str:
    if setting.metadata["shown"] is not None:
        return str(setting.metadata["shown"])
    match setting.default:
        case bool():
            return str(setting.default).lower()
        case float() as number:
            return f"{number:g}"
        case tuple():
            return ""
        case value:
            return "required" if value is MISSING else str(value)


def _show_allowed(setting: dataclasses.Field[Any]) -> str:
    """Return what the check of a setting lets pass."""
    check = setting.metadata["check"]
    if setting.type is bool:
        return "`true`, `false`"
    if isinstance(check, validate.OneOf):
        return ", ".join(f"`{choice}`" for choice in check.choices)
    if isinstance(check, validate.Range):
        return f"{check.min} to {check.max}" if check.max else f"{check.min} or more"
    return ""


if __name__ == "__main__":
    Path("docs/settings.md").write_text(write_page())
