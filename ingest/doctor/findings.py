"""What one check found, and what is to be done about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    #: It works, and will bite one day.
    WARN = "warn"
    #: Imports are, or may be, lost, refused or held up.
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check and its result."""

    #: Stable: `redis.appendfsync`.
    check: str
    level: Level
    #: What is there.
    found: str
    #: What to do; empty when all is well.
    advice: str = ""


def well(check: str, found: object) -> Finding:
    """Return the finding that all is well."""
    return Finding(check=check, level=Level.OK, found=str(found))


def warn(check: str, found: object, advice: str) -> Finding:
    """Return the finding that something will bite one day."""
    return Finding(check=check, level=Level.WARN, found=str(found), advice=advice)


def fail(check: str, found: object, advice: str) -> Finding:
    """Return the finding that something bites."""
    return Finding(check=check, level=Level.FAIL, found=str(found), advice=advice)


def grade(
    check: str, share: float, found: str, advice: str, *, bounds: tuple[float, float]
) -> Finding:
    """Judge a `share` by the `bounds` from which it warns, and from which it fails."""
    warns, fails = bounds
    if share < warns:
        return well(check, found)
    return (fail if share >= fails else warn)(check, found, advice)
