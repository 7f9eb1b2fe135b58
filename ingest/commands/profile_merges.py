"""`penstock profiles merge`, `unmerge`, and `forget-key`."""

import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from uuid_utils.compat import uuid7

from ingest.commands.databases import find_settings, state_dir_option
from ingest.commands.outputs import ask, make_console, make_table, print_json
from ingest.commands.profile_terms import find_profile
from ingest.commands.receipts import show_value
from ingest.domain.errors import PenstockError, Rejected
from ingest.domain.identities import ImportName
from ingest.domain.imports import (
    FormerKey,
    Import,
    Key,
    Matching,
    Operation,
    Outcome,
)
from ingest.domain.lanes import Lane
from ingest.doors.accept import place
from ingest.doors.appends import BlockingAppends
from ingest.geo import open_locator
from ingest.settings import Settings
from ingest.store.catalog.load import load_catalog
from ingest.store.database import Connection, connect
from ingest.store.faults import unavailable_while_away
from ingest.store.profiles.merges import find_merge
from ingest.store.receipts.read import ImportRecord, find_import
from ingest.wire.merges import MergeRequest, make_merge
from ingest.wire.profile_schemas import ProfileSchemas
from ingest.wire.undo import UndoTarget, load_undo, make_undo
from workers.dry_runs import dry_run

#: Longest wait for a receipt, and how often it is looked for.
_WAIT_SECONDS = 60.0
_POLL_SECONDS = 0.1


@click.command(
    epilog="""\b
Examples:
  penstock profiles merge ada@example.com +442079460011 --dry-run
  penstock profiles merge ada@example.com grace@example.com --field points=sum

\b
Exit status:
  0  merged
  1  nothing was merged; the last line gives the reason
  2  usage error"""
)
@click.argument("terms", nargs=-1, required=True, metavar="PROFILE PROFILE…")
@click.option("--database", type=int, metavar="ID", help="Profile database.")
@click.option(
    "--survivor",
    default="oldest",
    show_default=True,
    metavar="PROFILE",
    help="Profile that is kept: its ID, oldest, newest, or latest.",
)
@click.option(
    "--field",
    "rules",
    multiple=True,
    metavar="NAME=RULE",
    help="Rule of a field, or the ID whose value is kept. Repeatable.",
)
@click.option("--reason", default="", metavar="TEXT", help="Reason for the merge.")
@click.option("--dry-run", is_flag=True, help="Show the result; write nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def merge(terms: tuple[str, ...], **options: Any) -> None:
    """Merge profiles of one person into one.

    PROFILE is a profile ID, an email, or a phone. Every ID and key of the merged
    profiles finds the one that is kept. To part them again: penstock profiles unmerge.
    """
    settings = find_settings(options["state_dir"])
    with _connect(settings) as connection:
        found = [find_profile(connection, one, options["database"]) for one in terms]
        ids = tuple(dict.fromkeys(one.id for one in found))
        if len(ids) < 2:
            raise click.UsageError("Pass at least two profiles")
        if len({one.database_id for one in found}) > 1:
            raise click.UsageError("The profiles are of several databases")
        request = MergeRequest(
            database_id=found[0].database_id,
            profiles=ids,
            survivor=options["survivor"],
            fields=dict(_split_rule(rule) for rule in options["rules"]),
            reason=options["reason"],
        )
        import_ = make_merge(
            request, ids, ImportName(import_id=uuid7()), **as_operator()
        )
        _run(settings, connection, import_, f"Merge {len(ids)} profiles?", options)


@click.command(
    epilog="""\b
Examples:
  penstock profiles unmerge 6b04f28ad691ecc2e1a166f3 --dry-run
  penstock profiles unmerge 01a22b10-8c24-7221-b826-c1cd986040cb

\b
Exit status:
  0  parted
  1  nothing was parted, or some values stay with the survivor
  2  usage error"""
)
@click.argument("named", metavar="MERGE|PROFILE")
@click.option("--database", type=int, metavar="ID", help="Profile database.")
@click.option("--reason", default="", metavar="TEXT", help="Reason for the undo.")
@click.option(
    "--restore-consent",
    is_flag=True,
    help="Also restore statuses that allow more; needs --reason.",
)
@click.option("--dry-run", is_flag=True, help="Show the result; write nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def unmerge(named: str, **options: Any) -> None:
    """Part profiles that were merged: undo the merge.

    Name the merge by its import ID, or by the ID of a profile that it ended. What was
    changed since stays with the profile that was kept.
    """
    settings = find_settings(options["state_dir"])
    with _connect(settings) as connection:
        record = _find_merge(connection, named, options["database"])
        target = UndoTarget(
            import_id=record.import_id,
            database_id=record.database_id,
            profile_id=record.profile_id or "",
        )
        try:
            request = load_undo(
                {name: options[name] for name in ("reason", "restore_consent")}
            )
        except Rejected as error:
            raise click.UsageError(str(error)) from error
        name = ImportName(import_id=uuid7())
        import_ = make_undo(request, target, name, **as_operator())
        count = len(record.profiles) + 1
        _run(settings, connection, import_, f"Part {count} profiles?", options)


@click.command(
    "forget-key",
    epilog="""\b
Example:
  penstock profiles forget-key ada@example.com email info@example.com

\b
Exit status:
  0  removed
  1  nothing was removed; the last line gives the reason
  2  usage error""",
)
@click.argument("term", metavar="PROFILE")
@click.argument("path", metavar="FIELD")
@click.argument("value", metavar="VALUE")
@click.option("--database", type=int, metavar="ID", help="Profile database.")
@click.option("--dry-run", is_flag=True, help="Show the result; write nothing.")
@click.option("--yes", "is_sure", is_flag=True, help="Do not prompt.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def forget_key(term: str, path: str, value: str, **options: Any) -> None:
    """Remove a former key of a merged profile.

    Afterward, imports no longer find the profile by it, and another profile can have
    it. FIELD is email, phones, or the name of a field.
    """
    settings = find_settings(options["state_dir"])
    with _connect(settings) as connection:
        profile = find_profile(connection, term, options["database"])
        import_ = Import(
            import_id=uuid7(),
            **as_operator(),
            database_id=profile.database_id,
            matching=Matching.PROFILE_ID,
            key=Key(profile_id=profile.id),
            data={},
            operation=Operation.FORGET_KEY,
            forget=FormerKey(path=path, value=value),
        )
        _run(settings, connection, import_, "Remove this former key?", options)


def _connect(settings: Settings) -> Any:
    return connect(settings.database_url, application_name="penstock-merge")


def as_operator() -> dict[str, Any]:
    """Return the members of an import that a command sends."""
    return {"accepted_at": datetime.now(UTC), "door": "file", "token_id": None}


def _split_rule(told: str) -> tuple[str, str]:
    name, _, rule = told.partition("=")
    if not name or not rule:
        raise click.UsageError("--field must be NAME=RULE, such as points=sum")
    return name, rule


def _find_merge(
    connection: Connection, named: str, database_id: int | None
) -> ImportRecord:
    merge_id = _read_id(named)
    if merge_id is None:
        databases = connection.execute("SELECT id FROM databases ORDER BY id")
        ids = [id_ for (id_,) in databases if database_id in (None, id_)]
        found = (find_merge(connection, id_, named.strip().lower()) for id_ in ids)
        merge_id = next((one for one in found if one is not None), None)
    record = find_import(connection, merge_id) if merge_id else None
    if record is None or not record.profiles or record.undoes:
        raise click.ClickException(
            f"No merge {named}. The ID is wrong, the merge was undone, or its receipt "
            "has expired. To see the history of a profile: penstock profiles show ID"
        )
    return record


def _read_id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _run(
    settings: Settings,
    connection: Connection,
    import_: Import,
    question: str,
    options: Mapping[str, Any],
) -> None:
    """Show what would be done; unless it is only tried, ask, do it, and show that."""
    as_json = options["as_json"]
    try:
        with unavailable_while_away():
            tried = _try(settings, connection, import_)
            if options["dry_run"] or tried.error:
                _show(tried, as_json=as_json, is_tried=True)
                sys.exit(1 if tried.error else 0)
            if not options["is_sure"] and not as_json:
                _show(tried, as_json=False, is_tried=True)
            ask(question, is_sure=options["is_sure"], as_json=as_json)
            record = apply_import(settings, connection, import_)
    except PenstockError as error:
        raise click.ClickException(str(error)) from error
    _show_record(record, as_json=as_json)
    sys.exit(1 if record.error else 0)


def _try(settings: Settings, connection: Connection, import_: Import) -> Outcome:
    catalog = load_catalog(connection, settings.profile_limits)
    schemas = ProfileSchemas(catalog, open_locator(settings.geoip_database))
    (outcome,) = dry_run(connection, [import_], schemas)
    return outcome


def apply_import(
    settings: Settings, connection: Connection, import_: Import
) -> ImportRecord:
    """Queue an import and wait for its receipt; raise ClickException after a while."""
    catalog = load_catalog(connection, settings.profile_limits)
    appends = BlockingAppends(settings, client_name="penstock-merge", lane=Lane.LIVE)
    appends.start()
    try:
        appends.append([place(import_, catalog, settings.partitions)])
    finally:
        appends.close()
    deadline = time.monotonic() + _WAIT_SECONDS
    with make_console().status("Waiting for a worker…"):
        while time.monotonic() < deadline:
            record = find_import(connection, import_.import_id)
            if record is not None:
                return record
            time.sleep(_POLL_SECONDS)
    raise click.ClickException(
        f"Accepted as import {import_.import_id}, but no worker has processed it yet."
        f" To see it later: penstock imports show {import_.import_id}"
    )


def _show(outcome: Outcome, *, as_json: bool, is_tried: bool) -> None:
    if as_json:
        print_json({"dry_run": is_tried, "outcome": outcome})
        return
    lines = [f"{one.path}: {one.reason}" for one in outcome.kept]
    lines += [one.text for one in (*outcome.faults, *outcome.warnings)]
    _print(
        make_console(),
        f"Profile {outcome.profile_id}"
        if outcome.profile_id
        else "Nothing would change",
        outcome.profiles,
        outcome.changes,
        lines,
    )


#: What was done, by the operation.
_DONE: Mapping[str, str] = {
    Operation.MERGE: "Merged into profile",
    Operation.UNDO: "Parted from profile",
}


def _show_record(record: ImportRecord, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    is_merge = record.operation == Operation.MERGE
    title = _DONE.get(record.operation, "Changed profile")
    lines = [f"{one['path']}: {one['reason']}" for one in record.kept]
    told = (*record.faults, *record.warnings)
    lines += [str(one["message"]) for one in told]
    console = make_console()
    title = f"{title} {record.profile_id}" if not record.error else record.error_text
    _print(console, title, record.profiles, record.changes, lines)
    if is_merge and not record.error:
        console.print(f"To part them: penstock profiles unmerge {record.import_id}")


def _print(
    console: Console,
    title: str,
    profiles: Iterable[str],
    changes: Mapping[str, Any],
    lines: Iterable[str],
) -> None:
    named = ", ".join(profiles)
    console.print(f"{title}: {named}" if named else title)
    table = make_table("field", "old", "new")
    for path, (old, new) in sorted(changes.items()):
        table.add_row(path, show_value(old), show_value(new))
    console.print(table)
    for line in lines:
        console.print(line)
