"""Pages out of templates: every value escaped, and in words where there are any."""

from datetime import datetime
from functools import cache
from importlib import resources

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ingest.console.charts import describe_point, describe_quantile
from ingest.console.labels import (
    describe_changes,
    find_title,
    shorten_id,
    write_moment,
)
from ingest.domain.attention import EndpointFlow, describe_door
from ingest.domain.counts import count
from ingest.domain.durations import age_seconds, describe_seconds
from ingest.domain.explanations import describe_key
from ingest.domain.remedies.table import find_remedy, load_fault
from ingest.doors.files.jobs.fault_groups import phrase
from ingest.store.events.endpoints import (
    EndpointState,
    describe_pending,
    describe_reason,
)

#: Of each state: how it is marked, so that no colour alone says it.
_TONES = {
    "created": "good",
    "updated": "good",
    "delivered": "good",
    "applied": "good",
    "enabled": "good",
    "built": "good",
    "building": "busy",
    "unchanged": "quiet",
    "removed": "good",
    "known": "quiet",
    "discarded": "quiet",
    "replayed": "good",
    "pending": "busy",
    "waiting": "busy",
    "rejected": "warn",
    "paused": "warn",
    "skipped": "quiet",
    "undecodable": "bad",
    "open": "bad",
    "dead": "bad",
    "failed": "bad",
    "failing": "bad",
    "running": "busy",
    "applying": "busy",
    "done": "good",
    "interrupted": "warn",
    "disabled": "bad",
    "cancelled": "quiet",
}


#: Of the name of a file in a list.
_NAME_CHARACTERS = 40


def _pill(state: str) -> Markup:
    """Show a state as a word with a mark."""
    tone = _TONES.get(state, "quiet")
    return Markup('<span class="pill {}">{}</span>').format(tone, state)


def _moment(at: datetime | None) -> Markup:
    """Show a moment (UTC) to the second; hovering tells it exactly."""
    if at is None:
        return Markup('<span class="none">never</span>')
    shown = f"{at:%Y-%m-%d %H:%M:%S}"
    exact = at.isoformat()
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact, exact, shown
    )


def _endpoint_state(state: EndpointState) -> Markup:
    """Show whether an endpoint gets events, and since when it does not."""
    if state.disabled_at:
        return Markup("{} since {}{}").format(
            _pill("disabled"),
            _moment(state.disabled_at),
            describe_reason(state.disabled_reason),
        )
    shown = _pill("enabled")
    if state.paused_until:
        shown = Markup("{} until {}").format(
            _pill("paused"), _moment(state.paused_until)
        )
    if state.failing_since:
        shown = Markup("{}, failing since {}").format(
            shown, _moment(state.failing_since)
        )
    return shown


def _endpoint_health(health: EndpointFlow) -> Markup:
    """Show whether an endpoint gets events."""
    if health.disabled_at:
        return Markup("{}{}").format(
            _pill("disabled"), describe_reason(health.disabled_reason)
        )
    shown = _pill("failing" if health.is_failing else "enabled")
    if health.paused_until:
        shown = Markup("{} until {}").format(
            _pill("paused"), _moment(health.paused_until)
        )
    return shown


def _small_number(number: float) -> str:
    """Write a number; one that is small with what is behind the point."""
    return (
        f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.2g}"
    )


def _clock(at: datetime, now: datetime) -> Markup:
    """Show a moment as short as it is clear; hovering tells it exactly."""
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        at.isoformat(), at.isoformat(), write_moment(at, now)
    )


def _ago(at: datetime, now: datetime) -> Markup:
    """Show how long ago a moment was; hovering tells it exactly."""
    return Markup('<time datetime="{}" title="{}">{} ago</time>').format(
        at.isoformat(), at.isoformat(), describe_seconds(age_seconds(at, now))
    )


def _value(value: object) -> Markup:
    """Show a stored value as JSON; in words where there is none."""
    if value is None:
        return Markup('<span class="none">none</span>')
    text = orjson.dumps(value).decode() if not isinstance(value, str) else value
    return Markup("<code>{}</code>").format(text)


def _document(value: object) -> Markup:
    """Show a document, a member a line."""
    text = orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    return Markup('<pre tabindex="0">{}</pre>').format(text)


def _fault_text(fault: dict[str, object]) -> str:
    return load_fault(fault).text


def _fault_remedy(fault: dict[str, object]) -> str:
    return find_remedy(load_fault(fault))


def _file_name(path: str) -> str:
    """Return the last part of a path, cut in the middle: its end tells its kind."""
    name = path.rstrip("/").rpartition("/")[2] or path
    if len(name) <= _NAME_CHARACTERS:
        return name
    end = _NAME_CHARACTERS // 2
    return f"{name[: _NAME_CHARACTERS - end - 1]}…{name[-end:]}"


def _duration(begin: datetime, end: datetime) -> str:
    return describe_seconds(max(0.0, (end - begin).total_seconds()))


@cache
def make_environment() -> Environment:
    """Return the environment of every page; a name that is not given is an error."""
    environment = Environment(
        loader=PackageLoader("ingest.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "pill": _pill,
        "moment": _moment,
        "value": _value,
        "document": _document,
        "seconds": describe_seconds,
        "fault_text": _fault_text,
        "fault_remedy": _fault_remedy,
        "key": describe_key,
        "pending": describe_pending,
        "endpoint_state": _endpoint_state,
        "endpoint_health": _endpoint_health,
        "number": "{:,.0f}".format,
        "small_number": _small_number,
        "bound": describe_quantile,
        "point": describe_point,
        "input": describe_door,
        "ago": _ago,
        "clock": _clock,
        "short_id": shorten_id,
        "file_name": _file_name,
        "phrase": phrase,
    }
    environment.globals |= {
        "duration": _duration,
        "count": count,
        "changes": describe_changes,
        "title": find_title,
    }
    return environment


def read_asset(name: str) -> bytes:
    """Return a file that pages refer to."""
    return (resources.files("ingest.console") / "assets" / name).read_bytes()
