"""Durations, and in words."""

from datetime import datetime


def age_seconds(at: datetime, now: datetime) -> float:
    """Return how long ago `at` was; clocks that differ make it no less than 0."""
    return max(0.0, (now - at).total_seconds())


def describe_seconds(seconds: float) -> str:
    """Write a duration as a person says it: `850 ms`, `12 s`, `3 min 5 s`, `2 h 4 min`.

    Longer ones in days and hours.
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    whole = round(seconds)
    for unit, name, part, part_name in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name}" + (f" {rest} {part_name}" if rest else "")
    return f"{whole} s"
