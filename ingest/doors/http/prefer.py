"""The Prefer header (RFC 7240): how long a caller wants to wait."""

import re
from dataclasses import dataclass

#: The longest wait a caller may ask for.
MAX_WAIT_SECONDS = 300

#: A header longer than this is not read to its end.
_MAX_LENGTH = 1000
#: What stands between commas; a comma inside quotes does not separate.
_ELEMENT = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,])+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The preferences of a caller that are understood here."""

    respond_async: bool = False
    #: Seconds, at most MAX_WAIT_SECONDS; None when not said.
    wait_seconds: int | None = None


def _split_preferences(header: str) -> dict[str, str]:
    """Return values by lower-case name; the first of a name counts (RFC 7240, 2)."""
    found: dict[str, str] = {}
    for element in _ELEMENT.findall(header[:_MAX_LENGTH]):
        preference, _, _ = element.partition(";")
        name, _, value = preference.partition("=")
        found.setdefault(name.strip().lower(), value.strip().strip('"'))
    return found


def parse_prefer(header: str | None) -> Preferences:
    """Read every Prefer header, joined by commas; what is malformed is ignored."""
    if not header:
        return Preferences()
    found = _split_preferences(header)
    wait = found.get("wait", "")
    # Longer than any wait: no need to turn a million digits into a number.
    seconds = min(int(wait[:12]), MAX_WAIT_SECONDS) if _is_digits(wait) else None
    return Preferences(
        respond_async=found.get("respond-async") == "", wait_seconds=seconds
    )


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit()


def choose_wait(
    preferences: Preferences, *, synchronous: bool, default_seconds: float
) -> float:
    """Return the seconds to wait for the outcome; 0 to answer at once.

    A stated wait wins: `respond-async, wait=5` asks for the outcome if it comes
    within 5 seconds (RFC 7240, 4.3).
    """
    if preferences.wait_seconds is not None:
        return preferences.wait_seconds
    if preferences.respond_async or not synchronous:
        return 0
    return default_seconds


def dump_applied(preferences: Preferences, *, answered_async: bool) -> str:
    """Return the Preference-Applied header; empty when nothing was applied."""
    applied = []
    if preferences.respond_async and answered_async:
        applied.append("respond-async")
    if preferences.wait_seconds is not None:
        applied.append(f"wait={preferences.wait_seconds}")
    return ", ".join(applied)
