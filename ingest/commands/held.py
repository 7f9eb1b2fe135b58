"""`penstock held`: list and decide imports that several profiles match."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
from msgspec.structs import replace
from uuid_utils.compat import uuid7

from ingest.commands.databases import find_settings, state_dir_option
from ingest.commands.outputs import (
    COMMAND_LINE,
    ask,
    make_console,
    make_table,
    moment,
    print_json,
)
from ingest.commands.profile_merges import apply_import, as_operator
from ingest.commands.profile_terms import find_profile
from ingest.commands.receipts import show_value
from ingest.domain.counts import count
from ingest.domain.errors import PenstockError
from ingest.domain.identities import ImportName
from ingest.domain.imports import Import, Outcome, State
from ingest.domain.releases import Decision
from ingest.settings import Settings
from ingest.store.database import Connection, connect
from ingest.store.faults import unavailable_while_away
from ingest.store.held import (
    HeldCase,
    find_case,
    list_candidate_ids,
    list_cases,
)
from ingest.store.profiles.profile_rows import load_profiles
from ingest.wire.held import HeldAction, load_held_request
from ingest.wire.merges import MergeRequest, make_merge
from workers.held import HeldCases

_F = TypeVar("_F", bound=Callable[..., Any])
_DECIDED = """
\b
Exit status:
  0  decided
  1  nothing was decided, or some imports are held again
  2  usage error"""


@click.group(epilog="\b\nExample:\n  penstock held list")
def held() -> None:
    """List and decide imports that wait for a decision.

    Imports with `on_ambiguous` = `hold` wait here if several profiles match them.
    """


def _decision(command: _F) -> _F:
    """Give a command the options of every decision."""
    for option in (
        state_dir_option,
        click.option("--json", "as_json", is_flag=True, help="Print JSON."),
        click.option("--yes", "is_sure", is_flag=True, help="Do not prompt."),
        click.option("--dry-run", is_flag=True, help="Show the result; write nothing."),
        click.argument("case", metavar="CASE|IMPORT", type=click.UUID),
    ):
        command = option(command)
    return command


@held.command(
    "list",
    epilog="""\b
Example:
  penstock held list --database 1

\b
Exit status:
  0  success
  1  Postgres is unavailable
  2  usage error""",
)
@click.option("--database", "database_id", type=int, metavar="ID", help="Only this.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def list_command(database_id: int | None, as_json: bool, state_dir: Path) -> None:
    """List held imports, by case.

    Imports with the same candidates are one case. The oldest case is first.
    """
    settings = find_settings(state_dir)
    with connect(settings.database_url) as connection:
        cases = list_cases(connection, database_id)
    if as_json:
        print_json(cases)
        return
    if not cases:
        click.echo("No imports are held.")
        return
    table = make_table("case", "database", "imports", "since", "candidates")
    for one in cases:
        table.add_row(
            str(one.case_id),
            str(one.database_id),
            str(one.imports),
            moment(one.first_accepted_at),
            " ".join(one.candidates),
        )
    make_console().print(table)


@held.command(
    epilog="""\b
Example:
  penstock held show 01a22b10-8c24-7221-b826-c1cd986040cb

\b
Exit status:
  0  the case is shown
  1  no such case, or Postgres is unavailable
  2  usage error"""
)
@click.argument("case", metavar="CASE|IMPORT", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@state_dir_option
def show(case: UUID, as_json: bool, state_dir: Path) -> None:
    """Show a case and its candidates.

    For each candidate, the changes if it were picked.
    """
    settings = find_settings(state_dir)
    with connect(settings.database_url) as connection:
        found = _find(connection, case)
        owners = [(found.database_id, id_) for id_ in found.candidates]
        profiles, cases = (
            load_profiles(connection, owners),
            _cases(settings, connection),
        )
        choices = {
            one.id: cases.decide(
                found.case_id, Decision(profile_id=one.id), dry_run=True
            )
            for one in profiles
        }
    if as_json:
        print_json({"case": found, "picks": choices})
        return
    console = make_console()
    console.print(
        f"{count(found.imports, 'import')} of database {found.database_id}, the first "
        f"accepted {moment(found.first_accepted_at)}: {found.first_import_id}"
    )
    for profile in profiles:
        named = " ".join([profile.email or "", *profile.phones]).strip()
        console.print(f"\nProfile {profile.id} {named}")
        _print_changes(choices[profile.id])


@held.command(
    epilog=f"""\b
Example:
  penstock held pick 01a22b10-8c24-7221-b826-c1cd986040cb ada@example.com
{_DECIDED}"""
)
@_decision
@click.argument("term", metavar="PROFILE")
def pick(case: UUID, term: str, **options: Any) -> None:
    """Apply the imports of a case to one profile.

    In the order in which they were accepted. What others have written since is kept.
    """

    def name(connection: Connection, found: HeldCase) -> Decision:
        profile_id = find_profile(connection, term, found.database_id).id
        return _load(connection, found, HeldAction.PICK, profile_id=profile_id)

    _decide(case, options, name)


@held.command(
    epilog=f"""\b
Example:
  penstock held retry 01a22b10-8c24-7221-b826-c1cd986040cb
{_DECIDED}"""
)
@_decision
def retry(case: UUID, **options: Any) -> None:
    """Search again.

    The imports are applied if one profile matches now.
    """
    _decide(
        case,
        options,
        lambda connection, found: _load(connection, found, HeldAction.RETRY),
    )


@held.command(
    epilog=f"""\b
Example:
  penstock held reject 01a22b10-8c24-7221-b826-c1cd986040cb --reason "test data"
{_DECIDED}"""
)
@_decision
@click.option("--reason", required=True, metavar="TEXT", help="For the receipts.")
def reject(case: UUID, reason: str, **options: Any) -> None:
    """Reject the imports of a case (409)."""
    _decide(
        case,
        options,
        lambda connection, found: _load(
            connection, found, HeldAction.REJECT, reason=reason
        ),
    )


@held.command(
    epilog=f"""\b
Example:
  penstock held merge 01a22b10-8c24-7221-b826-c1cd986040cb --reason "same person"
{_DECIDED}"""
)
@_decision
@click.option("--reason", default="", metavar="TEXT", help="Reason for the merge.")
def merge(case: UUID, reason: str, **options: Any) -> None:
    """Merge the candidates, then apply the imports.

    The oldest profile is kept. To part the profiles: penstock profiles unmerge.
    """

    def unite(connection: Connection, found: HeldCase) -> Decision | Import:
        decision = _load(connection, found, HeldAction.MERGE, reason=reason)
        ids = tuple(found.candidates)
        if decision.profile_id is not None:
            return decision
        request = MergeRequest(
            database_id=found.database_id, profiles=ids, reason=reason
        )
        name = ImportName(import_id=uuid7())
        import_ = make_merge(request, ids, name, **as_operator())
        if options["dry_run"]:
            return import_
        record = apply_import(find_settings(options["state_dir"]), connection, import_)
        if record.error:
            raise click.ClickException(record.error_text)
        return replace(decision, profile_id=record.profile_id)

    _decide(case, options, unite)


def _load(
    connection: Connection, found: HeldCase, action: HeldAction, **told: str
) -> Decision:
    """Read a decision as it is read over HTTP; raise InvalidRequest."""
    ids = list_candidate_ids(connection, found)
    return load_held_request({"action": action, **told}, ids).decide(by=COMMAND_LINE)


def _decide(
    case: UUID,
    options: Mapping[str, Any],
    make: Callable[[Connection, HeldCase], Decision | Import],
) -> None:
    """Ask, decide, and say what came of each import.

    What `make` returns is a decision, or a merge that is to be tried before.
    """
    settings, as_json = find_settings(options["state_dir"]), options["as_json"]
    try:
        with unavailable_while_away(), connect(settings.database_url) as connection:
            found = _find(connection, case)
            if not options["dry_run"]:
                question = f"Decide {count(found.imports, 'import')}?"
                ask(question, is_sure=options["is_sure"], as_json=as_json)
            cases, decision = _cases(settings, connection), make(connection, found)
            if isinstance(decision, Import):
                outcomes = cases.preview_merge(found.case_id, decision)
            else:
                outcomes = cases.decide(
                    found.case_id, decision, dry_run=options["dry_run"]
                )
    except PenstockError as error:
        raise click.ClickException(str(error)) from error
    if as_json:
        print_json({"dry_run": options["dry_run"], "outcomes": outcomes})
    else:
        _print_changes(outcomes)
    undecided = not outcomes or any(one.state is State.HELD for one in outcomes)
    sys.exit(1 if undecided else 0)


def _cases(settings: Settings, connection: Connection) -> HeldCases:
    return HeldCases(
        connection,
        geoip_database=settings.geoip_database,
        limits=settings.profile_limits,
    )


def _find(connection: Connection, case: UUID) -> HeldCase:
    if found := find_case(connection, case):
        return found
    raise click.ClickException(
        f"No held imports of {case}. They were decided, or the ID is wrong. To list "
        "the cases: penstock held list"
    )


def _print_changes(outcomes: Sequence[Outcome]) -> None:
    table = make_table("import", "state", "field", "old", "new")
    for one in outcomes:
        table.add_row(str(one.import_id), one.state, one.error_text, "", "")
        for path, (old, new) in sorted(one.changes.items()):
            table.add_row("", "", path, show_value(old), show_value(new))
        for kept in one.kept:
            table.add_row("", "", kept.path, "", f"kept: {kept.reason}")
    make_console().print(table)
