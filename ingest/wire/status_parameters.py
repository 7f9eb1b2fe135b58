"""Options for the statuses of a file, and for the rows that it has for nobody."""

import csv
from collections.abc import Mapping, Sequence
from typing import Any

from ingest.domain.errors import Fault
from ingest.domain.names import one_of
from ingest.wire.row_statuses import MEANINGS, NOTHING, StatusRules


def parse_words(texts: Sequence[str], faults: list[Fault]) -> dict[str, dict[str, str]]:
    """Read each `Column: word=status, …`; adds to `faults` what is wrong.

    A word with a comma is in quotation marks, with its status.
    """
    words: dict[str, dict[str, str]] = {}
    for text in texts:
        column, meant = _split_words(text)
        if not column or not meant:
            message = f"Must be COLUMN: WORD=STATUS, …, not {text[:200]!r}"
            faults.append(Fault(code=400, message=message, path="words"))
            continue
        words.setdefault(column, {}).update(meant)
    find_word_faults(words, faults)
    return words


def _split_words(text: str) -> tuple[str, dict[str, str]]:
    head = text.partition("=")[0]
    colon = max(head.rfind(": "), -1)
    colon = head.rfind(":") if colon < 0 else colon
    if colon < 0:
        return "", {}
    meant = {}
    try:
        (listed,) = csv.reader([text[colon + 1 :]], skipinitialspace=True, strict=True)
    except (csv.Error, ValueError):
        return "", {}
    for one in listed:
        word, equals, meaning = one.rpartition("=")
        if not equals or not word.strip():
            return "", {}
        meant[word.strip()] = meaning.strip().lower()
    return text[:colon].strip(), meant


def find_word_faults(
    words: Mapping[str, Mapping[str, str]], faults: list[Fault]
) -> None:
    """Add a fault for each word that means nothing that there is."""
    for meanings in words.values():
        for word, meaning in meanings.items():
            if meaning not in (*MEANINGS, NOTHING):
                message = f"Unknown status {meaning!r} of {word!r}{one_of(MEANINGS)}"
                faults.append(Fault(code=400, message=message, path="words"))


def find_status_faults(status: str, faults: list[Fault]) -> None:
    """Add a fault for a status of a file that is none."""
    if status and status not in MEANINGS:
        message = f"Unknown status{one_of(MEANINGS)}"
        faults.append(Fault(code=400, message=message, path="status"))


def parse_skip_where(texts: Sequence[str], faults: list[Fault]) -> dict[str, list[str]]:
    """Read each `COLUMN=VALUE`; adds to `faults` what is wrong."""
    skipped: dict[str, list[str]] = {}
    for text in texts:
        column, equals, value = text.partition("=")
        if not equals or not column.strip():
            message = "Must be COLUMN=VALUE"
            faults.append(Fault(code=400, message=message, path="skip_where"))
            continue
        skipped.setdefault(column.strip(), []).append(value.strip())
    return skipped


def load_statuses(parameters: Mapping[str, Any]) -> StatusRules:
    """Return the options for statuses from the parameters of a job."""
    source = parameters.get("raise_consent")
    time = parameters.get("consent_time")
    basis: dict[str, Any] = {}
    if source:
        basis = {"raise": True, "source": source, **({"time": time} if time else {})}
    return StatusRules(
        words=parameters.get("words") or {},
        status=parameters.get("status") or "",
        system=parameters.get("system") or "",
        basis=basis,
    )
