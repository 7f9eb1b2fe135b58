"""Result of one check: what was measured, and how to fix a problem."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    #: It works now, and can cause failures later.
    WARN = "warning"
    #: Imports are, or may be, lost, refused, or delayed.
    FAIL = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check and its result."""

    #: Stable: `redis.appendfsync`.
    check: str
    level: Severity
    #: The measured state, noun first.
    found: str
    #: What to do; empty if there is no problem.
    advice: str = ""


def well(check: str, found: object) -> Finding:
    """Return the finding of a passed check."""
    return Finding(check=check, level=Severity.OK, found=str(found))


def warn(check: str, found: object, advice: str) -> Finding:
    """Return a warning."""
    return Finding(check=check, level=Severity.WARN, found=str(found), advice=advice)


def fail(check: str, found: object, advice: str) -> Finding:
    """Return the finding of a failed check."""
    return Finding(check=check, level=Severity.FAIL, found=str(found), advice=advice)


def grade(
    check: str, share: float, found: str, advice: str, *, bounds: tuple[float, float]
) -> Finding:
    """Grade a `share`: a warning from the first bound on, a failure from the second."""
    warns, fails = bounds
    if share < warns:
        return well(check, found)
    return (fail if share >= fails else warn)(check, found, advice)
