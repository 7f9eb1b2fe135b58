"""The one table of error kinds, and the search for the kind of an error."""

from collections.abc import Mapping
from functools import cache

from msgspec import Struct

from ingest.domain.errors import Fault
from ingest.domain.remedies.codes import ERRORS
from ingest.domain.remedies.conditions import CONDITIONS
from ingest.domain.remedies.files import FILES
from ingest.domain.remedies.kinds import ErrorKind
from ingest.domain.remedies.merging import MERGES
from ingest.domain.remedies.requests import (
    BODIES,
    MATCHING,
    PARAMETERS,
    PATHS,
    REFERENCES,
    TOKENS,
)
from ingest.domain.remedies.states import STATES
from ingest.domain.remedies.undoing import UNDO
from ingest.domain.remedies.values import SUBSCRIPTIONS, VALUES

#: By section, in the order of docs/errors.md.
SECTIONS: dict[str, tuple[ErrorKind, ...]] = {
    "Values": VALUES,
    "Conditions": CONDITIONS,
    "Subscriptions": SUBSCRIPTIONS,
    "Matching": MATCHING,
    "References": REFERENCES,
    "Parameters": PARAMETERS,
    "Paths": PATHS,
    "Bodies": BODIES,
    "API tokens": TOKENS,
    "State": STATES,
    "Undo": UNDO,
    "Merges": MERGES,
    "Files": FILES,
}
#: Of an error that no kind describes, by its code.
_BY_CODE = {
    row.code: ErrorKind(
        reason=row.reason, code=row.code, sentences=(), remedy=row.remedy
    )
    for row in ERRORS
}
_OTHER = _BY_CODE[400]


class FaultView(Struct, frozen=True, kw_only=True):
    """An error with its explanation."""

    code: int
    message: str
    path: str
    text: str
    reason: str
    remedy: str


def find_kind(message: str, code: int = 400) -> ErrorKind:
    """Return the kind of an error by its message, or else by its code.

    Receipts of earlier releases may have messages that no kind describes.
    """
    return _find(message) or _BY_CODE.get(code, _OTHER)


@cache
def _sentences() -> dict[str, ErrorKind]:
    return {
        sentence: kind
        for kinds in SECTIONS.values()
        for kind in kinds
        for sentence in kind.sentences
    }


def _find(message: str) -> ErrorKind | None:
    said = message.partition(" (")[0]
    if kind := _sentences().get(said):
        return kind
    return next(
        (
            kind
            for kinds in SECTIONS.values()
            for kind in kinds
            if kind.pattern.fullmatch(message)
        ),
        None,
    )


def find_reason(fault: Fault) -> str:
    """Return the stable reason of an error: `invalid_phone`."""
    return find_kind(fault.message, fault.code).reason


def find_remedy(fault: Fault) -> str:
    """Return what to do about an error, as a full sentence."""
    return find_kind(fault.message, fault.code).remedy


def load_fault(stored: Mapping[str, object]) -> Fault:
    """Return an error as a receipt has it."""
    return Fault(
        code=int(str(stored["code"])),
        message=str(stored["message"]),
        path=str(stored["path"]),
    )


def explain_fault(fault: Fault) -> FaultView:
    """Return an error with its text, its reason, and its remedy."""
    kind = find_kind(fault.message, fault.code)
    return FaultView(
        code=fault.code,
        message=fault.message,
        path=fault.path,
        text=fault.text,
        reason=kind.reason,
        remedy=kind.remedy,
    )
