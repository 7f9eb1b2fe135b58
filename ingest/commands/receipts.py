"""Receipts on a terminal and as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

import orjson
from rich.console import Console
from rich.text import Text

from ingest.commands.outputs import (
    color_of,
    make_table,
    moment,
    print_pairs,
)
from ingest.domain.durations import describe_seconds
from ingest.domain.remedies.table import explain_fault, find_remedy, load_fault
from ingest.store.events.read import EventRecord
from ingest.store.receipts.read import ImportRecord


def receipt_document(
    record: ImportRecord, events: Sequence[EventRecord]
) -> dict[str, object]:
    """Return a receipt with its explanation and its events, for machines."""
    return {
        **asdict(record),
        "faults": [explain_fault(load_fault(one)) for one in record.faults],
        "skipped": [explain_fault(load_fault(one)) for one in record.skipped],
        "warnings": [explain_fault(load_fault(one)) for one in record.warnings],
        "changes": [
            {"path": path, "old": old, "new": new}
            for path, (old, new) in record.changes.items()
        ],
        "match": record.match,
        "job_id": record.job_id,
        "row": record.row,
        "events": [asdict(event) for event in events],
    }


def show_receipt(
    console: Console, record: ImportRecord, events: Sequence[EventRecord]
) -> None:
    """Print a receipt: the outcome first, then its reasons, then the rest."""
    heading = Text(record.state, style=color_of(record.state))
    heading.append(f"  {record.error} {record.error_text}", style="default")
    console.print(heading)
    console.print(record.match, style="italic")
    print_pairs(console, _facts(record))
    _show_faults(console, "Errors", record.faults)
    _show_faults(console, "Skipped", record.skipped)
    _show_faults(console, "Warnings", record.warnings)
    if record.candidates:
        table = make_table("profile", "found by", title="Candidates")
        for one in record.candidates:
            keys = ", ".join(f"{key['kind']} ({key['path']})" for key in one["keys"])
            table.add_row(one["profile_id"], keys)
        console.print(table)
    if record.kept:
        table = make_table(
            *("field", "reason", "sent", "stored", "since", "import"), title="Kept"
        )
        for one in record.kept:
            sent = show_value(one.get("sent"))
            stored = str(one.get("stored", ""))
            since, by = one.get("since", ""), one.get("by", "")
            table.add_row(one["path"], one["reason"], sent, stored, since, by)
        console.print(table)
    if record.changes:
        table = make_table("field", "old", "new", title="Changes")
        for path, (old, new) in record.changes.items():
            table.add_row(path, show_value(old), show_value(new))
        console.print(table)
    if events:
        console.print(_events_table(events))


def show_value(value: object) -> str:
    """Write a stored value as JSON; a dash where there is none."""
    return "-" if value is None else orjson.dumps(value).decode()


def _facts(record: ImportRecord) -> Iterable[tuple[str, str]]:
    waited = (record.started_at - record.accepted_at).total_seconds()
    worked = (record.applied_at - record.started_at).total_seconds()
    yield "import", str(record.import_id)
    yield "profile", record.profile_id or ""
    yield "database", f"{record.database_id} {record.database or '(removed)'}"
    yield "operation", record.operation
    yield "matching", record.matching
    yield "door", record.door
    token = f"{record.token_id} {record.token or ''}"
    yield "token", token if record.token_id is not None else ""
    if record.job_id is not None:
        of = f" of {record.job_name}" if record.job_name else ""
        yield "file", f"row {record.row}{of}"
        yield "job", str(record.job_id)
    yield "undoes", str(record.undoes or "")
    yield "reason", record.reason or ""
    if record.decision:
        told = {"reason": "", **record.decision}
        yield "decision", f"{told['action']} by {told['by']}"
        yield "decided", moment(record.decided_at)
        yield "reason", told["reason"]
    yield "triggers", "skipped on request" if record.skip_triggers else ""
    yield "accepted", moment(record.accepted_at)
    yield "started", f"{moment(record.started_at)}  waited {_duration(waited)}"
    yield "applied", f"{moment(record.applied_at)}  took {_duration(worked)}"


def _duration(seconds: float) -> str:
    return describe_seconds(max(0.0, seconds))


def _show_faults(
    console: Console, title: str, faults: Sequence[Mapping[str, object]]
) -> None:
    if not faults:
        return
    table = make_table("code", "path", "error", "remedy", title=title)
    for stored in faults:
        fault = load_fault(stored)
        table.add_row(str(fault.code), fault.path, fault.message, find_remedy(fault))
    console.print(table)


def _events_table(events: Sequence[EventRecord]) -> object:
    table = make_table("event", "kind", "endpoint", "state", "attempts", title="Events")
    for event in events:
        for delivery in event.deliveries:
            table.add_row(
                str(event.id),
                event.kind,
                delivery.endpoint,
                Text(delivery.state, style=color_of(delivery.state)),
                str(len(delivery.attempts)),
            )
    return table
